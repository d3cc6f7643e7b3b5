"""Whether a network is recurrent: what RETURNN's `network.recurrent` was for the same networks."""

import pytest

import tenure as tn
from tenure.network import registry
from tenure.network.losses.registry import LOSSES as ALL_LOSSES
from tenure.network.recurrent import LAYERS, LOSSES

EXTERN = {"data": {"dim": 6}, "classes": {"dim": 4, "sparse": True}}
SCALAR = {"class": "linear", "activation": None, "n_out": 1, "from": "data"}
RNN = {"class": "rec", "unit": "lstm", "n_out": 4, "from": "data"}
MEAN = {"class": "reduce", "mode": "mean", "axes": "T", "from": "data"}


def out(name="h", **more):
    return {"class": "softmax", "loss": "ce", "from": name, **more}


def add(**options):
    return {"class": "combine", "from": ["data", "data"], **options}


FEATURES = {"class": "split_dims", "axis": "F", "dims": (3, 2), "from": "data"}
SUB = {"output": {"class": "linear", "activation": None, "n_out": 3, "from": "data"}}

CASES = {
    "linear": (False, {"h": {"class": "linear", "activation": "relu", "n_out": 4, "from": "data"}}),
    "combine": (False, {"h": add(kind="add")}),
    "combine with eval": (True, {"h": add(kind="eval", eval="source(0) + source(1)")}),
    "eval": (True, {"h": {"class": "eval", "eval": "source(0)", "from": "data"}}),
    "lstm": (True, {"h": RNN}),
    "window": (
        True,
        {
            "w": {"class": "window", "window_size": 3, "from": "data"},
            "h": {"class": "merge_dims", "axes": "static", "from": "w"},
        },
    ),
    "conv": (True, {"h": {"class": "conv", "filter_size": (3,), "n_out": 4, "padding": "same", "from": "data"}}),
    "pool": (
        True,
        {"h": {"class": "pool", "mode": "max", "pool_size": (3,), "strides": 1, "padding": "same", "from": "data"}},
    ),
    "self-attention": (
        True,
        {"h": {"class": "self_attention", "num_heads": 2, "total_key_dim": 4, "n_out": 4, "from": "data"}},
    ),
    "positions": (True, {"h": {"class": "positional_encoding", "add_to_input": True, "from": "data"}}),
    "subnetwork": (True, {"h": {"class": "subnetwork", "from": "data", "subnetwork": SUB}}),
    "mean over time": (False, {"m": MEAN, "h": add(kind="add") | {"from": ["data", "m"]}}),
    "shift": (
        False,
        {"h": {"class": "shift_axis", "axis": "T", "amount": 1, "adjust_size_info": False, "from": "data"}},
    ),
    "cumsum": (True, {"h": {"class": "cumsum", "from": "data"}}),
    "softmax of features": (False, {"h": {"class": "activation", "activation": "softmax", "from": "data"}}),
    "softmax over time": (
        True,
        {
            "s": SCALAR,
            "x": {"class": "softmax_over_spatial", "from": "s"},
            "h": add(kind="mul") | {"from": ["data", "x"]},
        },
    ),
    "softmax over a static axis": (
        False,
        {
            "s": FEATURES,
            "x": {"class": "softmax_over_spatial", "axis": "static:0", "from": "s"},
            "h": {"class": "merge_dims", "axes": "static", "from": "x"},
        },
    ),
    "ctc": (True, {"output": out("data", loss="ctc", n_out=5)}),
    "mse": (False, {"output": {**SCALAR, "n_out": 6, "loss": "mse", "target": "data"}}),
    "only in search": (False, {"h": SCALAR, "r": {**RNN, "only_on_search": True, "is_output_layer": True}}),
    "only in evaluation": (True, {"h": SCALAR, "r": {**RNN, "only_on_eval": True, "is_output_layer": True}}),
    "not needed": (False, {"h": SCALAR, "r": RNN}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_network_is_recurrent_as_in_returnn(name):
    recurrent, layers = CASES[name]
    net = tn.network({"output": out(), **layers}, EXTERN, behavior_version=0)
    net.plan(train=True)
    assert net.recurrent() == recurrent


def test_a_users_own_layer_may_see_anything(monkeypatch):
    monkeypatch.setattr(registry, "_classes", dict(registry.load()))

    @tn.network.layer("own_layer_of_test_recurrent")
    class Own(tn.network.Layer):
        def forward(self, source):
            return source

    net = tn.network({"h": {"class": "own_layer_of_test_recurrent", "from": "data"}, "output": out()}, EXTERN)
    assert net.recurrent()


def test_the_tables_name_classes_and_losses_that_are_there():
    assert LAYERS <= set(registry.load()) and LOSSES <= set(ALL_LOSSES)
