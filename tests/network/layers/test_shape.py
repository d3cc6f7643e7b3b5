"""Layers that merge, split, add and remove axes."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.running import BATCH, data, run


def test_a_time_axis_of_length_one_is_squeezed():
    """Whether it is that short is known when it runs, not when the network is built."""
    inputs = {"speaker": {"dim": 5, "sparse": True}, **data()}
    net = {
        "one": {"class": "squeeze", "axis": "T", "from": "data:speaker"},
        "output": {"class": "linear", "n_out": 3, "from": "one"},
    }
    batch = {**BATCH, "speaker": np.array([[1], [2], [0]])}
    assert run(net, inputs=inputs, batch=batch)[0].outputs["output"].shape == (3, 3)
    with pytest.raises(TenureError, match="size of .*speaker.* is not 1"):
        run(net, inputs=inputs, batch={**batch, "speaker": np.zeros((3, 2), int)})
