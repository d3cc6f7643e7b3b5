"""A loss as a layer."""

import numpy as np
import pytest

from tests.network.layers.running import KEEP, LENGTHS, run


def test_a_loss_as_a_layer_is_a_number_for_each_frame():
    net = {
        "p": {"class": "softmax", "n_out": 4, "from": "data"},
        "x": {"class": "loss", "loss_": "ce", "target_": "classes", "from": "p", "is_output_layer": True},
        "output": {"class": "softmax", "n_out": 4, "from": "data", "reuse_params": "p", "loss": "ce"},
    }
    result, _ = run(net)
    frames = np.asarray(result.outputs["x"].batch_first().data)
    assert frames.shape == (3, 6)
    assert result.losses["output"].loss == pytest.approx(frames[KEEP].sum(), rel=1e-5)
    assert result.losses["output"].norm_factor == pytest.approx(1 / LENGTHS.sum())
