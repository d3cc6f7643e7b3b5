"""Cores for weights of other libraries: PyTorch's GRU, and LSTMs without a constant on the forget gate."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure import nn


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_reset_gate_after_the_matrix():
    def run(xs):
        core = nn.ResetAfterGRU(3, b_init=jax.random.normal)
        return nn.dynamic_unroll(core, xs, core.initial_state(2))[0]

    xs = np.random.RandomState(0).randn(4, 2, 5).astype("float32")
    model = tn.transform(run)
    params = model.init(jax.random.key(0), xs)
    p = {name: np.asarray(leaf) for name, leaf in params["reset_after_gru"].items()}
    h, expected = np.zeros((2, 3), "float32"), []
    for x in xs:
        a, b = np.split(x @ p["w_i"] + p["b"], 3, -1), np.split(h @ p["w_h"] + p["b_h"], 3, -1)
        z, r = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
        h = (1 - z) * h + z * np.tanh(a[2] + r * b[2])
        expected.append(h)
    np.testing.assert_allclose(model.apply(params, None, xs), expected, atol=1e-5)


def test_an_lstm_without_a_constant_is_one_with_a_bias_less():
    def run(xs, bias):
        core = nn.LSTM(3, forget_bias=bias)
        return nn.dynamic_unroll(core, xs, core.initial_state(2))[0]

    xs = jnp.asarray(np.random.RandomState(0).randn(4, 2, 5), "float32")
    with_one, without = (tn.transform(lambda xs, bias=bias: run(xs, bias)) for bias in (1, 0))
    params = with_one.init(jax.random.key(0), xs)
    shifted = jax.tree.map(lambda leaf: leaf, params)
    shifted["lstm/linear"]["b"] = params["lstm/linear"]["b"].at[6:9].add(1)
    np.testing.assert_allclose(with_one.apply(params, None, xs), without.apply(shifted, None, xs), atol=1e-6)
