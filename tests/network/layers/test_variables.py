"""Variables that layers assign to."""

import jax
import numpy as np
import pytest

import tenure.network as network
from tenure import TenureError
from tests.network.layers.running import BATCH, X, data

NET = {
    "v": {"class": "variable", "shape": [5], "init": 1.0, "trainable": False},
    "sum": {"class": "reduce", "mode": "sum", "axis": ["B", "T"], "from": "data", "use_time_mask": False},
    "set": {"class": "variable_assign", "var": "v", "value": "sum", "op": "add", "is_output_layer": True},
    "before": {"class": "variable_read", "var": "v", "is_output_layer": True},
    "output": {"class": "variable_read", "var": "v", "control_dependencies": ["set"]},
}


def test_what_is_added_is_kept_for_the_next_pass():
    model = network.Network(NET, data())
    params, state = model.init(jax.random.key(0), BATCH)
    assert not params and np.allclose(state["v"]["v"], 1)
    total = X.sum((0, 1))
    for i in (1, 2):
        result, state = model.apply(params, state, None, BATCH, layers=("before", "output", "set"))
        assert np.allclose(result.outputs["before"].data, 1 + (i - 1) * total, rtol=1e-5)
        assert np.allclose(result.outputs["output"].data, 1 + i * total, rtol=1e-5)
        assert np.allclose(state["v"]["v"], 1 + i * total, rtol=1e-5)
        assert result.outputs["set"].data == 0


def test_assignments_follow_one_another():
    net = {
        **NET,
        "again": {"class": "variable_assign", "var": "set", "value": "sum", "is_output_layer": True},
        "output": {"class": "variable_read", "var": "v", "control_dependencies": ["again"]},
    }
    model = network.Network(net, data())
    params, state = model.init(jax.random.key(0), BATCH)
    result, _ = model.apply(params, state, None, BATCH)
    assert np.allclose(result.outputs["output"].data, X.sum((0, 1)), rtol=1e-5)


def test_what_is_trained_is_not_assigned():
    net = {**NET, "v": {"class": "variable", "shape": [5]}}
    with pytest.raises(TenureError, match="'v'.*'trainable'"):
        network.Network(net, data()).plan(BATCH)
    net = {**NET, "set": {**NET["set"], "var": "sum"}}
    with pytest.raises(TenureError, match="'set'.*'var'"):
        network.Network(net, data()).plan(BATCH)
