"""The checkpoints of a run: kept, listed, resumed; errors in the background."""

import math
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tests.checkpoints.models import KEY, TOKENS, equal, translator


@pytest.fixture(scope="module")
def model():
    net = tn.transform(translator)
    return net.plan(TOKENS), net.init(KEY, TOKENS)


def at(params, step):
    return jax.tree.map(lambda p: jnp.full_like(p, step), params)


def test_the_last_and_the_best_are_kept(model, tmp_path):
    plan, params = model
    losses = [5, 1, math.nan, 2, 9, 8, 7]
    with tn.CheckpointManager(tmp_path, last=2, best=2, metric="loss") as manager:
        for step, loss in enumerate(losses):
            manager.save(step, plan, at(params, step), metrics={"loss": loss})
    assert manager.steps() == [1, 3, 5, 6]
    assert (manager.latest_step(), manager.best_step()) == (6, 1)
    assert manager.metrics()[3] == {"loss": 2.0}
    assert equal(manager.restore(plan).params, at(params, 6))
    assert equal(manager.restore(plan, step=1).params, at(params, 1))
    highest = tn.CheckpointManager(tmp_path, best=1, metric="loss", mode="max")
    assert highest.best_step() == 5
    assert sorted(os.listdir(tmp_path)) == ["step_1", "step_3", "step_5", "step_6"]


def test_arrays_are_copied_before_save_returns(model, tmp_path):
    """The next step donates its arguments: what is written must be what was there when `save` was called."""
    plan, params = model
    numpy = {m: {n: np.array(v) for n, v in e.items()} for m, e in params.items()}
    step = jax.jit(lambda t: jax.tree.map(lambda a: a * 0, t), donate_argnums=0)
    manager = tn.CheckpointManager(tmp_path)
    live = at(params, 3)
    manager.save(1, plan, live, opt_state=numpy, metadata="note")
    jax.block_until_ready(step(live))
    for entries in numpy.values():
        for array in entries.values():
            array[...] = -1
    found = manager.restore(plan, opt_state=params)
    assert equal(found.params, at(params, 3))
    assert equal(jax.tree.map(jnp.asarray, found.opt_state), params)
    assert found.metadata == "note"


def test_damaged_ones_are_reported_and_skipped(model, tmp_path):
    plan, params = model
    manager = tn.CheckpointManager(tmp_path, last=None, background=False)
    for step in range(6):
        manager.save(step, plan, at(params, step))
    cut = tmp_path / "step_5" / "params.safetensors"
    cut.write_bytes(cut.read_bytes()[:-7])
    (tmp_path / "step_4" / "tenure.json").unlink()
    flipped = tmp_path / "step_3" / "params.safetensors"
    data = bytearray(flipped.read_bytes())
    data[-1] ^= 1
    flipped.write_bytes(data)
    (tmp_path / ".step_9.tenure-000000000000").mkdir()
    (tmp_path / "step_2").rename(tmp_path / "step_8")
    (tmp_path / "notes.txt").write_text("…")
    assert manager.steps() == [0, 1, 3]  # a flipped bit is only found when it is read
    assert [s.path.name for s in manager.skipped()] == [".step_9.tenure-000000000000", "step_4", "step_5", "step_8"]
    (tmp_path / "step_8").rename(tmp_path / "step_2")
    found = manager.restore(plan)
    assert found.step == 2
    assert equal(found.params, at(params, 2))
    assert set(found.report.of("skipped")) == {"step_5", "step_4", "step_3"}
    again = tn.CheckpointManager(tmp_path, last=None)
    assert [s.path.name for s in again.skipped()] == ["step_4", "step_5"]  # the debris is gone
    again.save(5, plan, at(params, 5))  # in place of the damaged one
    assert again.restore(plan).step == 5


def test_an_error_in_the_background_is_raised_at_the_next_call(model, tmp_path):
    plan, params = model
    manager = tn.CheckpointManager(tmp_path / "run")
    manager.save(1, plan, params)
    manager.wait()
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    (tmp_path / "run").write_text("a file")  # as if the disk had gone
    with pytest.raises(errors.CheckpointError, match="can not be listed"):
        manager.save(2, plan, params)
    (tmp_path / "run").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "run")
    assert manager.steps() == [1]


def test_a_question_is_a_call_too(model, tmp_path):
    plan, params = model
    manager = tn.CheckpointManager(tmp_path)
    for ask in (manager.steps, manager.latest_step, manager.best_step, manager.metrics, manager.skipped):
        (tmp_path / "step_1").write_text("a file where a folder should be")
        manager.save(1, plan, params)
        manager._thread.join()
        with pytest.raises(errors.CheckpointError, match="is no checkpoint, and is not overwritten"):
            ask()
        ask()  # once
        (tmp_path / "step_1").unlink()


def test_a_failed_save_does_not_hide_the_error_of_the_block(model, tmp_path, caplog):
    (tmp_path / "step_1").write_text("a file where a folder should be")
    with pytest.raises(ZeroDivisionError), tn.CheckpointManager(tmp_path) as manager:
        manager.save(1, *model)
        raise ZeroDivisionError
    assert "is no checkpoint, and is not overwritten" in caplog.text


def test_a_failed_save_in_the_background_does_not_count(model, tmp_path):
    import resource
    import signal

    big = tn.transform(lambda x: tn.nn.Linear(600)(x))
    plan, params = big.plan(jnp.ones(600)), big.init(KEY, jnp.ones(600))
    manager = tn.CheckpointManager(tmp_path)
    manager.save(1, plan, params)
    manager.wait()
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
        manager.save(2, plan, params)
        with pytest.raises(errors.CheckpointError, match="could not be written"):
            manager.save(3, plan, params)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (manager.steps(), manager.latest_step(), manager.skipped()) == ([1], 1, [])
    manager.save(3, plan, params)  # an error is raised once
    manager.close()
    assert manager.steps() == [1, 3]


def test_what_is_wrong_is_said(model, tmp_path):
    plan, params = model
    for options in (dict(last=0), dict(last=-1), dict(best=1), dict(mode="most"), dict(best=1.5, metric="loss")):
        with pytest.raises(errors.CheckpointError):
            tn.CheckpointManager(tmp_path, **options)
    manager = tn.CheckpointManager(tmp_path, best=1, metric="loss")
    with pytest.raises(errors.CheckpointError, match="'loss'"):
        manager.save(1, plan, params, metrics={"accuracy": 1})
    for metrics in ({"loss": "small"}, 5, [1]):
        with pytest.raises(errors.CheckpointError, match="'loss'"):
            manager.save(1, plan, params, metrics=metrics)
    (tmp_path / "file").write_text("…")
    with pytest.raises(errors.CheckpointError, match="can not be made"):
        tn.CheckpointManager(tmp_path / "file")
    with pytest.raises(errors.CheckpointError, match="no whole checkpoint"):
        manager.restore(plan)
    manager.save(1, plan, params, metrics={"loss": 1})
    with pytest.raises(errors.CheckpointError, match="of step 1 already"):
        manager.save(1, plan, params, metrics={"loss": 1})
    other = tn.transform(lambda x: tn.nn.Linear(2, name="other")(x)).plan(jnp.ones(3))
    with pytest.raises(errors.ContentError, match="other/w"):  # another model is no damage, and not skipped
        manager.restore(other)
