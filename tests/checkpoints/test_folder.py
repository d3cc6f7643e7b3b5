"""A checkpoint's folder: whole or not there, whatever was left in it and whatever the disk does."""

import os

import jax.numpy as jnp
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tests.checkpoints.models import KEY, equal


def test_an_existing_path_is_refused_and_overwritten_only_when_asked(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params, step=1)
    with pytest.raises(errors.ExistingPathError, match="overwrite=True"):
        tn.save(path, model.plan, model.params, step=2)
    assert tn.restore(path).step == 1
    for step in (2, 3):
        tn.save(path, model.plan, model.params, step=step, opt_state=model.opt_state, overwrite=True)
        assert tn.restore(path, model.plan, opt_state=model.opt_state).step == step
    assert len(list(path.iterdir())) == 3  # nothing of the older ones is left


def test_a_folder_of_somebody_else_is_never_overwritten(model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("…")
    with pytest.raises(errors.ExistingPathError, match="is no checkpoint"):
        tn.save(tmp_path / "mine", model.plan, model.params, overwrite=True)
    (tmp_path / "file").write_text("…")
    with pytest.raises(errors.ExistingPathError):
        tn.save(tmp_path / "file", model.plan, model.params, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_debris_is_known_and_cleaned(model, tmp_path):
    path = tmp_path / "a"
    left = tmp_path / ".a.tenure-0123456789ab"
    left.mkdir()
    (left / "params.safetensors").write_bytes(b"half")
    tn.save(path, model.plan, model.params, step=1)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    (path / "params-2.safetensors").write_bytes(b"half")  # as if killed while overwriting
    (path / "tenure.json.new").write_bytes(b"half")
    (path / ".tmpQx3fZ9").write_bytes(b"half")
    (path / "params-3.ocdbt.orbax-checkpoint-tmp").mkdir()
    (path / "notes.txt").write_text("mine")
    assert tn.restore(path).step == 1
    tn.save(path, model.plan, model.params, step=2, overwrite=True)
    assert sorted(p.name for p in path.iterdir()) == ["notes.txt", "params-2.safetensors", "tenure.json"]


@pytest.mark.skipif(os.name == "nt", reason="limits on files are POSIX's")
def test_a_full_disk_leaves_the_old_checkpoint(model, tmp_path):
    import resource
    import signal

    big = tn.transform(lambda x: tn.nn.Linear(600)(x))
    plan, params = big.plan(jnp.ones(600)), big.init(KEY, jnp.ones(600))
    path = tn.save(tmp_path / "a", plan, params, step=1)
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
        for where in (path, tmp_path / "b"):
            with pytest.raises(errors.CheckpointError, match="could not be written"):
                tn.save(where, plan, params, step=2, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert sorted(p.name for p in path.iterdir()) == ["params.safetensors", "tenure.json"]
    assert equal(tn.restore(path).params, params)
