"""The steps of gated recurrent cells, against their equations in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional import cells

N = 3
GATES, CELL = jax.random.normal(jax.random.key(0), (2, 4 * N)), jax.random.normal(jax.random.key(1), (2, N))


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


@pytest.mark.parametrize("order", ["igfo", "gifo", "fogi"])
@pytest.mark.parametrize("forget_bias", [0.0, 1.0])
def test_lstm(order, forget_bias):
    h, c = cells.lstm(GATES, CELL, order=order, forget_bias=forget_bias)
    sums = dict(zip(order, np.split(np.asarray(GATES), 4, -1)))
    cell = sigmoid(sums["f"] + forget_bias) * np.asarray(CELL) + sigmoid(sums["i"]) * np.tanh(sums["g"])
    np.testing.assert_allclose(c, cell, atol=1e-6)
    np.testing.assert_allclose(h, sigmoid(sums["o"]) * np.tanh(cell), atol=1e-6)


def test_peepholes_and_clipping():
    peepholes = {gate: jnp.full(N, 0.5) for gate in "ifo"}
    h, c = cells.lstm(GATES, CELL, peepholes=peepholes, clip=0.2)
    i, g, f, o = np.split(np.asarray(GATES), 4, -1)
    old = np.asarray(CELL)
    cell = np.clip(sigmoid(f + 0.5 * old) * old + sigmoid(i + 0.5 * old) * np.tanh(g), -0.2, 0.2)
    np.testing.assert_allclose(c, cell, atol=1e-6)
    np.testing.assert_allclose(h, sigmoid(o + 0.5 * cell) * np.tanh(cell), atol=1e-6)


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("order", ["ru", "ur"])
def test_gru(order, keeps):
    x, matrix = GATES[:, : 3 * N], jax.random.normal(jax.random.key(2), (N, 3 * N))
    parts = {"gates": matrix[:, : 2 * N], "candidate": matrix[:, 2 * N :]}
    found = cells.gru(
        x, CELL, lambda name, h: h @ parts[name], bias=jnp.full(3 * N, 0.1), order=order, update_keeps=keeps
    )
    h, m = np.asarray(CELL), np.asarray(matrix)
    gates = dict(zip(order, np.split(sigmoid(np.asarray(x)[:, : 2 * N] + h @ m[:, : 2 * N] + 0.1), 2, -1)))
    candidate = np.tanh(np.asarray(x)[:, 2 * N :] + (gates["r"] * h) @ m[:, 2 * N :] + 0.1)
    u = gates["u"] if keeps else 1 - gates["u"]
    np.testing.assert_allclose(found, u * h + (1 - u) * candidate, atol=1e-6)


def test_a_gru_whose_reset_gate_comes_after_the_matrix():
    x, from_state = GATES[:, : 3 * N], GATES[:, N:]
    u, r, c = (np.asarray(p, np.float64) for p in np.split(np.asarray(x), 3, -1))
    hu, hr, hc = np.split(np.asarray(from_state), 3, -1)
    u, r = sigmoid(u + hu), sigmoid(r + hr)
    expected = (1 - u) * np.asarray(CELL) + u * np.tanh(c + r * hc)
    np.testing.assert_allclose(cells.gru_reset_after(x, from_state, CELL), expected, atol=1e-6)
