"""Targets that have axes and lengths of their own."""

import numpy as np
import pytest

from tests.network.layers.running import run


@pytest.mark.parametrize("loss", ["ce", "sampling_loss"])
def test_a_target_with_lengths_of_its_own(loss):
    opts = {"loss_opts": {"num_sampled": 3}, "use_transposed_weights": True} if loss == "sampling_loss" else {}
    labels = {"data": {"dim": 9, "sparse": True}, "delayed": {"dim": 9, "sparse": True}}
    net = {
        "h": {"class": "linear", "n_out": 4, "activation": None, "from": "data:delayed"},
        "output": {"class": "softmax", "from": "h", "target": "data", "loss": loss, **opts},
    }
    tokens = np.random.RandomState(0).randint(0, 9, (2, 6))
    batch = {"data": (tokens, np.array([6, 4])), "delayed": (tokens[:, :5], np.array([5, 4]))}
    result, _ = run(net, inputs=labels, batch=batch, version=0, train=True)
    assert np.isfinite(result.losses["output"].loss) and result.losses["output"].loss > 0
