"""Flax's MessagePack, both ways."""

import jax.numpy as jnp
import numpy as np

from tenure import convert
from tests.convert.compared import same
from tests.convert.samples import arrays, weights


def test_flax_both_ways(tmp_path):
    from flax import serialization

    tree = {"params": {"dense": {"kernel": jnp.ones((2, 3)), "bias": np.zeros(3, "float16")}}, "step": 3}
    (tmp_path / "theirs.msgpack").write_bytes(serialization.to_bytes(tree))
    found = convert.read(tmp_path / "theirs.msgpack")
    same(found["params/dense/kernel"], np.ones((2, 3), "float32"))
    assert found.about["step"] == 3
    convert.write(tmp_path / "ours.msgpack", weights())
    back = serialization.msgpack_restore((tmp_path / "ours.msgpack").read_bytes())
    for name, value in arrays().items():
        leaf = back
        for part in name.split("/"):
            leaf = leaf[part]
        same(np.asarray(leaf), value)


def test_flax_arrays_in_pieces(monkeypatch, tmp_path):
    from flax import serialization

    from tenure.convert import flax

    monkeypatch.setattr(flax, "_CHUNK", 16)
    convert.write(tmp_path / "ours.msgpack", weights())
    same(convert.read(tmp_path / "ours.msgpack")["embed/w"], arrays()["embed/w"])
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 16)
    (tmp_path / "theirs.msgpack").write_bytes(serialization.msgpack_serialize({"w": arrays()["embed/w"]}))
    same(convert.read(tmp_path / "theirs.msgpack")["w"], arrays()["embed/w"])
