"""A layer in a loop, and the same layer on the whole sequence."""

import numpy as np

from tests.network.layers.running import run

RNN = {"s": {"class": "linear", "n_out": 5, "activation": "tanh", "from": ["data:source", "prev:s"]}}


def both(inside, whole, compiled=False):
    """A layer on the frames of `s` in the loop, and another on its sequence outside: [B, T, …] of both."""
    unit = {**RNN, "x": {"from": "s", **inside}, "s2": {"class": "copy", "from": "s", "is_output_layer": True}}
    unit["output"] = {"class": "copy", "from": "x"}
    net = {
        "rec": {"class": "rec", "from": "data", "unit": unit},
        "whole": {"from": "rec/s2", **whole, "is_output_layer": True},
        "output": {"class": "copy", "from": "rec"},
    }
    result, _ = run(net, compiled=compiled)
    return [np.asarray(result.outputs[k].batch_first().data) for k in ("output", "whole")]
