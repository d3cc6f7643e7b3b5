"""Gradients as layers, and what changes gradients on their way."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.running import KEEP, run


def test_the_gradient_of_one_layer_by_another():
    net = {
        "h": {"class": "linear", "n_out": 4, "activation": "tanh", "from": "data"},
        "q": {"class": "eval", "eval": "source(0) ** 3", "from": "h"},
        "y": {"class": "reduce", "mode": "sum", "axis": ["B", "T", "F"], "from": "q"},
        "output": {"class": "gradient", "y": "y", "x": "h"},
    }
    outputs = run(net)[0].outputs
    assert np.allclose(outputs["output"].data, 3 * np.asarray(outputs["h"].data) ** 2 * KEEP[..., None], atol=1e-5)
    assert np.allclose(run(net, compiled=True)[0].outputs["output"].data, outputs["output"].data, atol=1e-5)
    with pytest.raises(TenureError, match="does not depend"):
        run({**net, "output": {"class": "gradient", "y": "y", "x": "z"}, "z": {"class": "copy", "from": "h"}})
