"""A `rec` layer whose gradient computes the steps once more."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.core.errors import TenureError
from tests.network.layers.running import LABELS, LENGTHS, X, output, run


def gradient(x, **options):
    net = {"output": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data", **options}}
    model = tn.network(net, {"data": {"dim": 2}})
    inputs = {"data": (x, jnp.array([7, 4]))}
    params, state = model.init(jax.random.key(0), inputs)
    params = jax.tree.map(lambda a: a + 0.1, params)

    def loss(params):
        found, _ = model.apply(params, state, None, inputs)
        return jnp.sum(jnp.sin(found.outputs["output"].batch_first().data))

    return jax.jit(jax.grad(loss))(params)


@pytest.mark.parametrize("direction", [1, -1])
def test_rematerialised_gradients(direction):
    x = jax.random.normal(jax.random.key(1), (2, 7, 2))
    once, again = gradient(x, direction=direction), gradient(x, direction=direction, remat=3)
    for one, other in zip(jax.tree.leaves(once), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_wrong_remat_is_named():
    with pytest.raises(tn.TenureError, match="remat"):
        gradient(jnp.ones((2, 7, 2)), remat="yes")


def test_a_recurrent_layer_without_time_does_one_step():
    mean = {"m": {"class": "reduce", "mode": "mean", "axis": "T", "from": "data"}}
    state = {"h": "m", "c": "m"}
    options = {"class": "rec", "unit": "lstm", "n_out": 5, "from": "m", "state": state}
    result, params = run({**mean, "output": options})
    m = np.asarray(result.outputs["m"].data)
    weights = {k: np.asarray(v) for of in params.values() for k, v in of.items()}
    gates = m @ weights["W"] + m @ weights["W_re"] + weights["b"]
    new, i, f, o = np.split(gates, 4, axis=-1)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    c = np.tanh(new) * sigmoid(i) + m * sigmoid(f)
    np.testing.assert_allclose(result.outputs["output"].data, np.tanh(c) * sigmoid(o), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("unit", ["nativelstm2", "gru"])
def test_recurrent_layers_see_their_own_sequence_only(unit, direction):
    net = {"x": {"class": "rec", "unit": unit, "n_out": 3, "direction": direction, "from": "data"}}
    result, _ = run(net)
    for b, n in enumerate(LENGTHS):
        alone = {"data": (X[b : b + 1, :n], LENGTHS[b : b + 1]), "classes": (LABELS[b : b + 1, :n], LENGTHS[b : b + 1])}
        single = run(net, batch=alone)[0].outputs["x"]
        assert np.allclose(result.outputs["x"].data[:n, b], single.data[:, 0], atol=1e-5)


def test_units_for_whole_sequences_are_no_steps():
    with pytest.raises(TenureError, match="whole sequences"):
        output({"class": "rnn_cell", "unit": "nativelstm2", "n_out": 3})
