"""Dropout of a layer's input."""

import pytest

import tenure as tn


def test_labels_cannot_be_dropped():
    layers = {"output": {"class": "linear", "n_out": 3, "activation": None, "dropout": 0.2, "from": "data"}}
    with pytest.raises(tn.TenureError, match=r"option 'dropout' is 0\.2.*labels"):
        tn.network(layers, {"data": {"dim": 5, "sparse": True}})
