"""Orbax's folders, as the library writes them."""

import jax.numpy as jnp
import numpy as np

from tenure import convert
from tests.convert.compared import same


def test_orbax_of_the_library(tmp_path):
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "theirs2", {"a": {"w": jnp.ones((2, 3))}, "list": [jnp.zeros(2)]})
    found = convert.read(tmp_path / "theirs2")
    same(found["a/w"], np.ones((2, 3), "float32"))
    same(found["list/0"], np.zeros(2, "float32"))
