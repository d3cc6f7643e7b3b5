"""Dropout of a layer's input."""

import numpy as np
import pytest

import tenure as tn


def test_labels_cannot_be_dropped():
    layers = {"output": {"class": "linear", "n_out": 3, "activation": None, "dropout": 0.2, "from": "data"}}
    net = tn.network(layers, {"data": {"dim": 5, "sparse": True}})
    batch = {"data": (np.zeros((2, 4), int), np.array([4, 3]))}
    with pytest.raises(tn.TenureError, match="option 'dropout' is 0.2.*labels"):
        net.plan(batch, train=True)
