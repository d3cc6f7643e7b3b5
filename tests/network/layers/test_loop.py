"""Loops: the losses and the decay of their layers."""

import jax
import numpy as np
import pytest

import tenure as tn
from tests.network.layers.running import BATCH, KEEP, data
from tests.network.objectives import LINEAR, objective, squares


@pytest.mark.parametrize("moved", [True, False])
def test_a_loop_has_the_losses_and_the_decay_of_its_layers(moved):
    unit = {
        "s": {"class": "linear", "n_out": 5, "activation": "tanh", "from": ["data:source", "prev:s"], "L2": 0.1},
        "p": {"class": "softmax", "from": "s", "loss": "ce", "target": "classes", "L2": 0.2},
        "q": {**LINEAR, "from": ["prev:p", "s"], "loss": "as_is", "loss_scale": 0.5},
        "output": {"class": "copy", "from": "q"},
    }
    rec = {"class": "rec", "from": "data", "unit": unit, "optimize_move_layers_out": moved, "L2": 0.3}
    result, params = objective({"rec": rec, "output": {"class": "copy", "from": "rec"}})
    s, p, q = (params[f"rec/rec/{k}"] for k in "spq")
    wanted = (
        0.1 * squares(params, "rec/rec/s") + 0.2 * squares(params, "rec/rec/p") + 0.3 * squares(params, "rec/rec/q")
    )
    assert np.allclose(result.constraints, wanted, rtol=1e-5)
    x, labels = BATCH["data"][0], BATCH["classes"][0]
    state, before, ce, total = np.zeros((3, 5)), np.zeros((3, 4)), 0.0, 0.0
    for t in range(6):
        state = np.tanh(np.concatenate([x[:, t], state], -1) @ s["W"] + s["b"])
        out = np.tanh(np.concatenate([before, state], -1) @ q["W"] + q["b"])
        e = np.exp(state @ p["W"] + p["b"])
        before = e / e.sum(-1, keepdims=True)
        ce -= np.log(before[np.arange(3), labels[:, t]])[KEEP[:, t]].sum()
        total += out[KEEP[:, t]].sum()
    assert np.allclose(result.losses["rec/p"].loss, ce, rtol=1e-4)
    assert np.allclose(result.losses["rec/q"].loss, total, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("legacy", [True, False])
def test_no_gradient_passes_the_steps_without_back_prop(legacy):
    """RETURNN's loop is one of its steps only: what is moved out of it has its gradient."""
    unit = {
        "x": {"class": "linear", "n_out": 5, "from": "data:source"},
        "s": {"class": "linear", "n_out": 5, "activation": "tanh", "from": ["x", "prev:s"]},
        "in": {"class": "linear", "n_out": 5, "from": ["s", "prev:in"], "loss": "as_is"},
        "q": {**LINEAR, "from": "s", "loss": "as_is"},
        "output": {"class": "linear", "n_out": 2, "from": "s"},
    }
    rec = {"class": "rec", "from": "data", "unit": unit, "back_prop": False}
    net = {"rec": rec, "output": {**LINEAR, "from": "rec", "loss": "as_is"}}
    model = tn.network(net, data(), **({"reuse": "legacy"} if legacy else {}))
    params, state = model.init(jax.random.key(0), BATCH)
    grads = jax.grad(lambda p: model.apply(p, state, None, BATCH, train=True)[0].objective)(params)
    moved = {m.rpartition("/")[2]: bool(np.any(of["W"])) for m, of in grads.items() if m.startswith("rec/")}
    assert moved == {"x": False, "s": False, "in": False, "q": True, "output": legacy}


def test_labels_that_two_choices_read_are_those_of_the_steps():
    """What is computed of them meets what cells give in each step."""
    words = {"class": "linear", "n_out": 2}
    unit = {
        "k": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 3, "from": "before"},
        "before": {**words, "from": "prev:output"},
        "now": {**words, "from": "first"},
        "first": {"class": "choice", "from": "p0", "beam_size": 2, "target": "classes", "initial_output": 0},
        "p0": {"class": "softmax", "from": "k", "n_out": 4},
        "p": {"class": "softmax", "from": ["k", "prev:k", "now"], "n_out": 4, "loss": "ce", "target": "classes"},
        "output": {"class": "choice", "from": "p", "beam_size": 2, "target": "classes", "initial_output": 0},
    }
    rec = {"class": "rec", "from": [], "target": "classes", "unit": unit}
    slow = {"output": {**rec, "optimize_move_layers_out": False}}
    losses = [objective({"output": r})[0].losses["output/p"].loss for r in (rec, slow["output"])]
    np.testing.assert_allclose(*losses, rtol=1e-5)
