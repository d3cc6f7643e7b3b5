"""Haiku's pickles are read as data, and only when that is asked for."""

import pickle

import jax.numpy as jnp
import numpy as np
import pytest

from tenure import convert
from tenure.convert import FileError
from tests.convert.compared import same


def test_haiku_pickles_only_when_asked_for(tmp_path):
    import haiku as hk

    params = {"mlp/~/linear_0": {"w": jnp.ones((2, 3)), "b": np.zeros(3, "float16")}, "n": {"x": np.float32(2)}}
    for protocol in range(2, 6):
        for tree in (params, hk.data_structures.to_haiku_dict(params)):
            path = tmp_path / "params.pkl"
            path.write_bytes(pickle.dumps(tree, protocol))
            with pytest.raises(FileError, match="allow-pickle"):
                convert.read(path)
            found = convert.read(path, allow_pickle=True)
            same(found["mlp/~/linear_0/w"], np.ones((2, 3), "float32"))
            same(found["mlp/~/linear_0/b"], np.zeros(3, "float16"))
            assert found["n/x"] == 2
