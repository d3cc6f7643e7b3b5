"""Rows of embeddings that a step does not read: what TensorFlow's optimizers leave alone there, these do too."""

import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network.model import Network
from tenure.training.engine.model import embeddings
from tenure.training.optimizing.carry import carried_states
from tenure.training.optimizing.kinds import LAZY
from tenure.training.optimizing.updater import Updater

PATH = ("embed", "W")


def after_two_steps(optimizer, embeddings):
    """The parameter after a step that reads rows 0 and 1, and one that reads rows 1 and 2, where 2 has the gradient zero."""
    updater = Updater({"optimizer": optimizer}, {"embed": {"W": True}}, {}, embeddings)
    params = {"embed": {"W": jnp.ones((4, 2))}}
    state = updater.init(params)
    for rows, read in ([1.0, 1.0, 0.0, 0.0], [0, 1]), ([0.0, 2.0, 0.0, 0.0], [1, 2]):
        grads = {"embed": {"W": jnp.outer(jnp.float32(rows), jnp.ones(2))}}
        labels = {"data": jnp.int32([read])}
        params, state = updater.update(grads, state, params, learning_rate=0.1, step=0, labels=labels)
    return np.asarray(params["embed"]["W"]), state


@pytest.mark.parametrize("name", sorted(LAZY))
def test_rows_that_are_not_read_stay(name):
    options = {"class": name, **({"momentum": 0.9} if name in ("momentum", "rmsprop") else {})}
    options |= {"epsilon": 0.01} if name == "adadelta" else {}
    lazy, _ = after_two_steps(options, {PATH: ("data",)})
    np.testing.assert_array_equal(lazy[3], 1)
    assert (lazy[1] != 1).all()
    one, _ = after_two_steps(options, None)
    np.testing.assert_array_equal(lazy[1], one[1])  # what is read in each step is as ever
    if name == "momentum":
        np.testing.assert_allclose(lazy[:, 0], [0.9, 1 - 0.1 - 0.29, 1, 1], rtol=1e-6)
        np.testing.assert_allclose(one[0, 0], 1 - 0.1 - 0.09, rtol=1e-6)


# Of TensorFlow 2.21's optimizers (tf.compat.v1.train) with the same gradients as IndexedSlices: the first column.
TENSORFLOW = {
    "momentum": [0.8999999761581421, 0.60999995470047, 1.0, 1.0],
    "rmsprop": [0.8999999761581421, 0.634588360786438, 1.0, 1.0],
    "adadelta": [0.959175169467926, 0.9058094620704651, 1.0, 1.0],
    "ftrl": [0.6031423807144165, 0.5145809054374695, 0.0, 1.0],
}


@pytest.mark.parametrize("name", TENSORFLOW)
def test_rows_have_the_numbers_of_tensorflow(name):
    options = {"momentum": 0.9} if name in ("momentum", "rmsprop") else {"epsilon": 0.01} if name == "adadelta" else {}
    found, _ = after_two_steps({"class": name, **options}, {PATH: ("data",)})
    np.testing.assert_allclose(found[:, 0], TENSORFLOW[name], rtol=1e-6)


def test_a_row_that_is_read_moves_though_its_gradient_is_zero():
    updater = Updater({"momentum": 0.9}, {"embed": {"W": True}}, {}, {PATH: ("data",)})
    params, grads = {"embed": {"W": jnp.ones((2, 1))}}, {"embed": {"W": jnp.float32([[1], [1]])}}
    params, state = updater.update(grads, updater.init(params), params, learning_rate=0.1, step=0)
    zero = {"embed": {"W": jnp.zeros((2, 1))}}
    read, _ = updater.update(zero, state, params, learning_rate=0.1, step=1, labels={"data": jnp.int32([0])})
    np.testing.assert_allclose(read["embed"]["W"][:, 0], [0.9 - 0.09, 0.9], rtol=1e-6)


def test_which_parameters_are_embeddings():
    labels = {"data": {"dim": 5, "sparse": True}, "classes": {"dim": 3, "sparse": True}}
    net = {
        "a": {"class": "linear", "activation": None, "n_out": 3, "from": "data"},
        "b": {"class": "linear", "activation": None, "n_out": 3, "from": "data", "L2": 0.1},
        "output": {"class": "softmax", "loss": "ce", "from": ["a", "b"]},
    }
    assert embeddings(Network(net, labels, behavior_version=0)) == {("a", "W"): ("data:data",)}


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
