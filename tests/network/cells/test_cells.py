"""Recurrent cells against their equations, step by step in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network import cells
from tenure.network.cells import UnknownUnitError


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def native(p, x, s):
    g, i, f, o = np.split(x @ p["W"] + p["b"] + s["h"] @ p["W_re"], 4, axis=-1)
    c = sigmoid(f) * s["c"] + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, {"c": c, "h": h}


def standard(p, x, s, name="lstm_cell"):
    z = np.concatenate([x, s["h"]], -1) @ p[f"{name}/kernel"] + p[f"{name}/bias"]
    i, g, f, o = np.split(z, 4, axis=-1)
    c = sigmoid(f + 1) * s["c"] + sigmoid(i) * np.tanh(g)
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


def values(cell, inputs, seed=0):
    rng = np.random.RandomState(seed)
    return {k: jnp.asarray(rng.uniform(-1, 1, s.shape), jnp.float32) for k, s in cell.params(inputs).items()}


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


def test_the_low_memory_lstm_is_the_same_with_one_matrix():
    one, two = cells.make("nativelstmlowmem", 3), cells.make("nativelstm2", 3)
    params, x = values(two, 2), jax.random.normal(jax.random.key(1), (4, 2, 2))
    joined = {"W": jnp.concatenate([params["W"], params["W_re"]]), "b": params["b"]}
    assert np.allclose(cells.run(one, joined, x)[0], cells.run(two, params, x)[0], atol=1e-6)


def test_zoneout_keeps_units_in_training_and_mixes_otherwise():
    options = {"zoneout_factor_cell": 0.5, "zoneout_factor_output": 0.25}
    x, state = jnp.ones((1, 400, 2)), {"c": jnp.full((400, 3), 5.0), "h": jnp.full((400, 3), 7.0)}
    quiet, noisy = (cells.make("zoneoutlstm", 3, options, training=t) for t in (False, True))
    params = values(quiet, 2)
    plain, _ = standard(jax.tree.map(np.asarray, params), np.ones((400, 2)), {"c": 5.0, "h": np.full((400, 3), 7.0)})
    y, last = cells.run(quiet, params, x, None, state)
    assert np.allclose(y[0], 0.75 * plain + 0.25 * 7, atol=1e-5)
    _, last = cells.run(noisy, params, x, None, state, key=jax.random.key(0))
    assert np.mean(last["c"] == 5) == pytest.approx(0.5, abs=0.06)
    assert np.mean(last["h"] == 7) == pytest.approx(0.25, abs=0.06)
    old = cells.make("zoneoutlstm", 3, {**options, "use_zoneout_output": False})
    assert np.allclose(cells.run(old, params, x, None, state)[0][0], plain, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_norm": False},
        {"global_norm": False, "per_gate_norm": True},
        {"global_norm": False, "global_norm_joined": True, "with_concat": True, "hidden_norm": True},
        {"cell_norm_in_output": False, "forget_bias": 1.0},
    ],
)
def test_normalised_lstms_are_invariant_where_they_normalise(options):
    cell = cells.make("layernormvariantslstm", 4, options)
    params, x = values(cell, 3), jax.random.normal(jax.random.key(2), (3, 2, 3))
    y, last = cells.run(cell, params, x)
    assert y.shape == (3, 2, 4) and np.all(np.isfinite(y))
    if cell.global_norm:
        louder = {**params, "W_re": params["W_re"] * 7, "W_ff": params["W_ff"] * 3}
        assert np.allclose(cells.run(cell, louder, x)[0], y, atol=1e-4)
    if options.get("forget_bias"):
        assert cell.params(3)["beta_input_below"].init == 1.0


def test_dropout_masks_are_the_same_in_all_steps():
    cell = cells.make("rhn", 50, {"dropout": 0.5}, training=True)
    noise = cell.fixed_noise(jax.random.key(0), (2, 50))
    assert set(np.unique(noise)) == {0.0, 2.0}
    weights = cells.make("nativelstm2", 3, {"rec_weight_dropout": 0.5}, training=True)
    assert weights.fixed_noise(jax.random.key(0), (2, 3)).shape == (3, 12)


@pytest.mark.parametrize(
    "unit, options, near",
    [("natvelstm2", None, "nativelstm2"), ("rhn", {"deepth": 3}, "depth"), (3, None, None)],
)
def test_refusals_name_the_nearest(unit, options, near):
    with pytest.raises(UnknownUnitError) as error:
        cells.make(unit, 3, options)
    assert near is None or near in error.value.near


def test_norms_that_exclude_each_other():
    with pytest.raises(UnknownUnitError, match="only one of"):
        cells.make("layernormvariantslstm", 3, {"per_gate_norm": True})
