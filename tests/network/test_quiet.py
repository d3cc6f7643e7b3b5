"""What is no number stays in the padding."""

import jax
import numpy as np
import pytest

from tests.network.loops import LENGTHS, MOVED, objective


@pytest.mark.parametrize("moved", [True, False])
def test_padding_of_nan_changes_neither_loss_nor_gradients(batch, moved):
    net = {**MOVED, "output": {**MOVED["output"], "optimize_move_layers_out": moved}}
    net["output"]["unit"] = {**net["output"]["unit"], "r": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 3, "from": ["prev:r", "att"]}}  # fmt: skip
    net["output"]["unit"]["p"] = {**net["output"]["unit"]["p"], "from": ["s", "r"]}
    keep = (np.arange(6) < LENGTHS[:, None])[..., None]
    poisoned = {**batch, "data": (np.where(keep, batch["data"][0], np.nan), LENGTHS)}
    params, (a, da) = objective(net, batch)
    _, (b, db) = objective(net, poisoned, params)
    np.testing.assert_allclose(a, b, rtol=1e-6)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7), da, db)
