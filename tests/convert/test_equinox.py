"""Equinox's leaves, both ways."""

import json

import jax
import numpy as np

from tenure import convert
from tests.convert.compared import same


def test_equinox_both_ways(tmp_path):
    import equinox as eqx

    model = eqx.nn.MLP(2, 3, 4, 1, key=jax.random.key(0))
    eqx.tree_serialise_leaves(tmp_path / "theirs.eqx", model)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_array))]
    found = convert.read(tmp_path / "theirs.eqx")
    assert len(found) == len(leaves)
    for i, leaf in enumerate(leaves):
        same(found[str(i)], leaf)
    convert.write(tmp_path / "ours.eqx", found)
    other = eqx.tree_deserialise_leaves(tmp_path / "ours.eqx", eqx.nn.MLP(2, 3, 4, 1, key=jax.random.key(1)))
    assert eqx.tree_equal(other, model)
    with open(tmp_path / "line.eqx", "wb") as file:
        file.write(json.dumps({"width": 4}).encode() + b"\n")
        eqx.tree_serialise_leaves(file, model)
    assert convert.read(tmp_path / "line.eqx").about == {"width": 4}
