"""An immutable dict that JAX flattens without looking at it again."""

import copy
import pickle

import jax
import jax.numpy as jnp
import pytest

import tenure.haiku as hk

NESTED = {"a": {"w": 1, "b": 2}}


def test_it_is_a_dict_that_stays_as_it_is():
    flat = hk.data_structures.to_immutable_dict(NESTED)
    assert flat == NESTED and dict(flat["a"]) == NESTED["a"] and list(flat) == ["a"] and len(flat) == 1
    with pytest.raises(TypeError):
        flat["a"] = 3
    with pytest.raises(AttributeError, match=r"x\['a'\]"):
        flat.a
    assert hash(flat) == hash(hk.data_structures.to_immutable_dict(NESTED))
    assert hk.data_structures.to_mutable_dict(flat) == NESTED and type(hk.data_structures.to_mutable_dict(flat)) is dict


def test_jax_maps_it():
    flat = hk.data_structures.to_immutable_dict({"a": {"w": jnp.ones(2)}})
    doubled = jax.jit(lambda x: jax.tree.map(lambda v: 2 * v, x))(flat)
    assert type(doubled) is type(flat) and doubled["a"]["w"].tolist() == [2, 2]
    assert jax.tree.leaves(flat)[0] is flat["a"]["w"]


def test_a_pickle_of_it_gives_a_plain_dict():
    flat = hk.data_structures.to_immutable_dict(NESTED)
    for found in (pickle.loads(pickle.dumps(flat)), copy.deepcopy(flat)):
        assert found == NESTED
    assert type(pickle.loads(pickle.dumps(flat))) is dict
