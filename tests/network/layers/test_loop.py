"""Loops: the losses and the decay of their layers."""

import numpy as np
import pytest

from tests.network.layers.running import BATCH, KEEP
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
