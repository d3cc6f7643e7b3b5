"""Sub-networks, also in loops, have data of their own."""

import numpy as np
import pytest

import tenure as tn
from tenure.network import NetworkError
from tests.network.layers.running import BATCH, KEEP
from tests.network.objectives import LINEAR, objective


def test_a_sub_network_in_a_loop_has_its_own_data():
    unit = {
        "s": {"class": "linear", "n_out": 5, "activation": "tanh", "from": ["data:source", "prev:s"]},
        "sub": {"class": "subnetwork", "from": "s", "subnetwork": {"output": {**LINEAR, "n_out": 2}}},
        "output": {"class": "combine", "kind": "add", "from": ["sub", "prev:sub"]},
    }
    result, params = objective(
        {"rec": {"class": "rec", "from": "data", "unit": unit}, "output": {"class": "copy", "from": "rec"}}
    )
    s, h = params["rec/rec/s"], params["rec/rec/sub/output"]
    state, before, x = np.zeros((3, 5)), np.zeros((3, 2)), BATCH["data"][0]
    found = np.asarray(result.outputs["output"].batch_first().data)
    for t in range(6):
        state = np.tanh(np.concatenate([x[:, t], state], -1) @ s["W"] + s["b"])
        now = np.tanh(state @ h["W"] + h["b"])
        assert np.allclose(found[:, t][KEEP[:, t]], (now + before)[KEEP[:, t]], atol=1e-5)
        before = now


def test_layers_under_another_name_are_told_by_that_name():
    inner = {"output": {"class": "copy", "from": "data"}}
    with pytest.raises(NetworkError, match="(?s)option 'network' is .*this class has no such option.*subnetwork"):
        tn.network({"output": {"class": "subnetwork", "from": "data", "network": inner}}, {"data": {"dim": 3}})
    with pytest.raises(NetworkError, match="option 'subnetwork' is None: a dict of layers is needed"):
        tn.network({"output": {"class": "subnetwork", "from": "data"}}, {"data": {"dim": 3}})
