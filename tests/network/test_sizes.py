"""Sizes belong to a run: one program serves batches of other lengths."""

import numpy as np
import pytest

from tests.network.layers.running import run


def test_programs_serve_other_lengths():
    net = {
        "r": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data"},
        "p": {"class": "postfix_in_time", "postfix": 1.0, "from": "r"},
        "output": {"class": "softmax", "n_out": 4, "from": "r", "loss": "ce"},
        "s": {"class": "slice_nd", "size": 2, "start": 1, "from": "p", "is_output_layer": True},
    }
    plain, compiled = run(net)[0], run(net, compiled=True)[0]
    for name in ("output", "s"):
        assert np.allclose(plain.outputs[name].data, compiled.outputs[name].data, atol=1e-5)
    assert float(compiled.losses["output"].loss) == pytest.approx(float(plain.losses["output"].loss), rel=1e-5)
