"""Recurrent cells against their equations, step by step in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network import cells
from tests.network.cells.equations import sigmoid, standard, values


def native(p, x, s):
    g, i, f, o = np.split(x @ p["W"] + p["b"] + s["h"] @ p["W_re"], 4, axis=-1)
    c = sigmoid(f) * s["c"] + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, {"c": c, "h": h}


def gru(p, x, s):
    h = s["state"]
    r, u = np.split(
        sigmoid(np.concatenate([x, h], -1) @ p["gru_cell/gates/kernel"] + p["gru_cell/gates/bias"]), 2, axis=-1
    )
    c = np.tanh(np.concatenate([x, r * h], -1) @ p["gru_cell/candidate/kernel"] + p["gru_cell/candidate/bias"])
    new = u * h + (1 - u) * c
    return new, {"state": new}


def highway(p, x, s):
    state, y = s["state"], x @ p["W"] + p["b"]
    for i in range(5):
        h, t = np.split(state @ p[f"rhn_cell/depth_{i}/W"] + (y if i == 0 else 0), 2, axis=-1)
        state = sigmoid(t) * np.tanh(h) + (1 - sigmoid(t)) * state
    return state, {"state": state}


REFERENCES = {
    "nativelstm2": native,
    "LSTMP": native,
    "lstmblock": native,
    "vanillalstm": native,
    "standardlstm": standard,
    "BasicLSTMCell": lambda p, x, s: standard(p, x, s, "basic_lstm_cell"),
    "gru": gru,
    "rhn": highway,
}


def unrolled(step, params, x, lengths, state, reverse):
    params = jax.tree.map(np.asarray, params)
    state = {k: np.asarray(v) for k, v in state.items()}
    outputs = np.zeros((*x.shape[:2], next(iter(state.values())).shape[-1]))
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        y, new = step(params, np.asarray(x[t]), state)
        keep = (t < lengths)[:, None]
        outputs[t] = np.where(keep, y, 0)
        state = {k: np.where(keep, new[k], state[k]) for k in state}
    return outputs, state


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unit", REFERENCES)
def test_equations(unit, reverse):
    cell = cells.make(unit, 3)
    params = values(cell, 2)
    x = jax.random.normal(jax.random.key(0), (5, 4, 2))
    lengths = np.array([5, 3, 0, 1])
    state = {k: v + 0.3 for k, v in cell.zero_state((4,)).items()}
    mask = jnp.arange(5)[:, None] < lengths
    y, last = cells.run(cell, params, x, mask, state, reverse=reverse)
    expected, final = unrolled(REFERENCES[unit], params, x, lengths, state, reverse)
    assert np.allclose(y, expected, atol=1e-5)
    for part in final:
        assert np.allclose(last[part], final[part], atol=1e-5)


def test_labels_select_rows():
    cell = cells.make("nativelstm2", 3)
    params, labels = values(cell, 6), jnp.array([[1, 5], [0, 2]])
    by_label, _ = cells.run(cell, params, labels)
    by_row, _ = cells.run(cell, params, jax.nn.one_hot(labels, 6))
    assert np.allclose(by_label, by_row, atol=1e-6)
