"""What the network is fed."""

import jax
import numpy as np
import pytest

import tenure as tn
import tenure.network as network
from tenure import TenureError
from tenure.network import Dim, batch_dim, feature_dim

DATA = {"data": {"dim": 3}, "classes": {"dim": 5, "sparse": True}}


def linear(**more):
    return {"class": "linear", "n_out": 4, "from": "data", **more}


def test_a_batch_that_does_not_fit():
    net = tn.network({"output": linear()}, DATA)
    params, state = net.init(jax.random.key(0))
    for batch, said in [
        ({"data": np.ones((2, 3))}, r"'data' has shape \(2, 3\)"),
        ({"data": np.ones((2, 3, 4))}, r"'data' has shape \(2, 3, 4\)"),
        ({"dat": np.ones((2, 3, 3))}, "nearest names: data"),
        ({}, "'data:data'"),
    ]:
        with pytest.raises(tn.TenureError, match=said):
            net.apply(params, state, None, batch)


def test_dims_in_a_list():
    time = Dim(None, "time")
    for dims in ([batch_dim, time, feature_dim(3)], [batch_dim(), time, 3], ["B", "T", "F"]):
        made = network.network(
            {"output": {"class": "linear", "n_out": 2, "from": "data"}}, {"data": {"dim_tags": dims, "dim": 3}}
        )
        assert made.plan().ledger.count() == 8
    with pytest.raises(TenureError, match="its dim 1 is 'when'"):
        network.network({"output": {"class": "copy", "from": "data"}}, {"data": {"dim_tags": ["B", "when", 3]}})
