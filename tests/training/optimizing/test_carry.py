"""Optimizer states in the next network."""

import jax.numpy as jnp
import numpy as np

from tenure.training.optimizing.carry import carried_states
from tenure.training.optimizing.updater import Updater


def test_states_of_a_network_that_has_grown():
    trainable = {"a": {"W": True}}
    old = Updater({"adam": True}, trainable)
    params = {"a": {"W": jnp.ones(2)}}
    _, state = old.update({"a": {"W": jnp.ones(2)}}, old.init(params), params, learning_rate=0.1, step=0)
    same = carried_states(state, old.init(params))
    assert same[0]["optimizer"]["count"] == 1 and (same[0]["optimizer"]["m"]["a", "W"] != 0).all()
    grown = {"a": {"W": jnp.ones(2)}, "b": {"W": jnp.ones(1)}}
    new = Updater({"adam": True}, {"a": {"W": True}, "b": {"W": True}})
    found = carried_states(state, new.init(grown))[0]["optimizer"]
    np.testing.assert_array_equal(found["m"]["a", "W"], state[0]["optimizer"]["m"]["a", "W"])
    assert found["count"] == 0 and found["m"]["b", "W"] == 0
