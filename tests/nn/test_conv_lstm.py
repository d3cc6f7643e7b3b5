"""LSTMs over images and the like."""

import jax
import numpy as np

import tenure as tn
from tenure import nn


def test_with_kernels_of_one_place_it_is_an_lstm_at_each_place():
    def step(x):
        core = nn.Conv1DLSTM((5,), 3, 1)
        return core(x, jax.tree.map(lambda a: a + 0.3, core.initial_state(2)))

    x = jax.random.normal(jax.random.key(0), (2, 5, 4))
    model = tn.transform(step)
    params = model.init(jax.random.key(1), x)
    out, state = model.apply(params, None, x)
    maps = {name.rpartition("/")[2]: jax.tree.map(np.asarray, value) for name, value in params.items()}
    sums = np.asarray(x) @ maps["input_to_hidden"]["w"][0] + maps["input_to_hidden"]["b"]
    sums = sums + np.full((2, 5, 3), 0.3, "float32") @ maps["hidden_to_hidden"]["w"][0] + maps["hidden_to_hidden"]["b"]
    i, g, f, o = np.split(sums, 4, axis=-1)
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    cell = sigmoid(f + 1) * 0.3 + sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(state.cell, cell, atol=1e-5)
    np.testing.assert_allclose(out, sigmoid(o) * np.tanh(cell), atol=1e-5)
