"""Tenure's own checkpoints as weights by path, with their ties."""

import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.convert import FileError
from tenure.convert.tenure import read, write


def test_a_checkpoint_is_weights_with_ties(tmp_path):
    def function(x):
        tn.set_state("n", 1 + tn.get_state("n", (), jnp.int32, init=jnp.zeros))
        first = tn.nn.Linear(3, name="first")
        return tn.nn.Linear(3, name="second", share={"w": first.ref("w").T})(first(x))

    model = tn.transform_with_state(function)
    params, state = model.init(0, jnp.ones(3))
    tn.save(tmp_path / "a", model.plan(jnp.ones(3)), params, state=state, step=7)
    found = read(tmp_path / "a")
    assert found.ties == {"second/w": "first/w | transpose"} and found.about["step"] == 7
    np.testing.assert_array_equal(found["second/w"], params["first"]["w"].T)
    assert list(read(tmp_path / "a", "state")) == ["~/n"]
    with pytest.raises(FileError, match="has no group 'sate'.*"):
        read(tmp_path / "a", "sate")


def test_what_is_written_restores_with_its_ties(tmp_path):
    write(tmp_path / "a", {"a/w": np.ones((2, 3), "float32")}, {"b/w": "a/w | transpose"})
    assert tn.restore(tmp_path / "a").ledger.owner_of("b/w") == "a/w"
    write(tmp_path / "a", {"w": np.zeros(1, "float32")})  # an existing checkpoint gives way
    assert list(tn.restore(tmp_path / "a").params) == ["~"]
    with pytest.raises(FileError, match="can not be written"):
        write(tmp_path / "b", {"a/w": np.array(["text"])})
