"""Gradients of rows, place by place."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure.network.occurrences import Probe, probed

TABLE = jnp.zeros((3, 2))
LABELS = jnp.array([0, 1, 0])
PULLS = jnp.array([[3.0, -1.0], [0.5, 0.0], [-2.0, 4.0]])  # the gradient at each place


def gradients(limit):
    probe = Probe.of(limit)

    def loss(table, squares):
        return jnp.sum(probed(table[LABELS], probe.limit, squares) * PULLS)

    return jax.grad(loss, (0, 1))(TABLE, probe.squares)


def test_gradients_are_limited_before_those_of_equal_rows_are_added():
    table, squares = gradients(1.0)
    np.testing.assert_allclose(table, [[1 - 1, -1 + 1], [0.5, 0], [0, 0]])
    np.testing.assert_allclose(squares, [9 + 1 + 0.25 + 4 + 16, 1 + 1 + 0.25 + 1 + 1])


def test_without_a_limit_they_are_as_they_were():
    table, squares = gradients(0.0)
    np.testing.assert_allclose(table, [[1, 3], [0.5, 0], [0, 0]])
    np.testing.assert_allclose(squares, [30.25, 30.25])


def test_a_network_has_them_at_its_embedding():
    layers = {
        "embed": {"class": "linear", "activation": None, "n_out": 2, "from": "data"},
        "output": {"class": "copy", "loss": "as_is", "from": "embed"},
    }
    net = tn.network(layers, {"data": {"dim": 3, "sparse": True}}, behavior_version=0)
    batch = {"data": (LABELS[None], jnp.array([3]))}
    params, state = net.init(jax.random.key(0), batch)

    def loss(params, probe):
        result, _ = net.apply(params, state, None, batch, train=True, probes={"embed": probe})
        return 5.0 * result.objective

    params, probe = jax.grad(loss, (0, 1))(params, Probe.of(2.0))
    np.testing.assert_allclose(params["embed"]["W"], [[4, 4], [2, 2], [0, 0]])
    np.testing.assert_allclose(params["embed"]["b"], [15, 15])
    np.testing.assert_allclose(probe.squares, [6 * 25, 6 * 4])
