"""What is built, and what a wrong dictionary is told."""

import jax
import numpy as np
import pytest

import tenure as tn
import tenure.network as network
from tests.network.layers.running import BATCH, data

DATA = {"data": {"dim": 3}, "classes": {"dim": 5, "sparse": True}}


def linear(**more):
    return {"class": "linear", "n_out": 4, "from": "data", **more}


def test_only_what_is_needed_is_built():
    net = tn.network(
        {
            "output": linear(**{"from": "a"}),
            "a": linear(),
            "unused": linear(),
            "#off": linear(is_output_layer=True),
            "kept": linear(is_output_layer=True),
            "in_search": linear(is_output_layer=True, only_on_search=True),
            "loss": {"class": "softmax", "from": "a", "loss": "ce", "target": "classes"},
        },
        DATA,
    )
    assert set(net.graph().nodes) == {"data:data", "data:classes", "a", "output", "kept", "loss"}
    assert "in_search" in net.graph(tn.network.Flags(search=True)).nodes


def test_the_order_in_the_dictionary_does_not_matter():
    layers = {"output": linear(**{"from": "a"}), "a": linear()}
    names = [list(tn.network(dict(n), DATA).graph().nodes) for n in (layers.items(), reversed(layers.items()))]
    assert names[0] == names[1]


def test_sub_networks_refer_outwards():
    net = tn.network(
        {
            "a": linear(),
            "sub": {
                "class": "subnetwork",
                "from": "a",
                "subnetwork": {
                    "x": linear(),
                    "y": {"class": "combine", "kind": "add", "from": ["x", "base:a"]},
                    "output": {"class": "copy", "from": "y"},
                },
            },
            "output": {"class": "copy", "from": ["sub", "sub/x"]},
        },
        DATA,
    )
    params, state = net.init(jax.random.key(0))
    assert set(params) == {"a", "sub/x"}
    result, _ = net.apply(params, state, None, {"data": np.ones((2, 3, 3), "float32")}, losses=False)
    assert result.outputs["output"].shape == (2, 3, 8)


def test_a_layer_that_registers_itself_as_data():
    net = tn.network(
        {
            "labels": {"class": "copy", "from": "data:classes", "register_as_extern_data": "other"},
            "output": linear(n_out=5, is_output_layer=True),
            "probe": {"class": "copy", "from": "data:other", "is_output_layer": True},
        },
        DATA,
    )
    assert "labels" in net.graph().nodes


@pytest.mark.parametrize(
    ("net", "kind", "said"),
    [
        ({"output": linear(**{"from": "dta"})}, "LayerNotFoundError", "'output': option 'from' names 'dta'"),
        ({"output": linear(**{"from": "data:clases"})}, "LayerNotFoundError", "nearest names: data:classes"),
        ({"output": linear(n_oot=3)}, "OptionError", "nearest names: n_out"),
        ({"output": {"class": "linaer", "from": "data"}}, "LayerClassError", "nearest names: linear"),
        ({"output": {"from": "data"}}, "NetworkError", "has no 'class'"),
        ({"output": 3}, "NetworkError", "is 3, not a dictionary"),
        ({"output": {"class": "rec", "unit": {"output": 3}, "from": "data"}}, "NetworkError", "layer 'output/output' is 3, not a"),
        ({"outptu": linear()}, "LayerNotFoundError", "nearest names: outptu"),
        ({"output": {"class": "linear", "n_out": 3}}, "OptionError", "'from' is None: missing"),
        ({"output": {"class": "linear", "from": "data"}}, "OptionError", "'n_out' is None: the size of the output is needed"),
        ({"output": linear(n_out="4")}, "OptionError", "'n_out' is '4': a number of features is needed"),
        ({"output": linear(activation="tanhh")}, "TenureError", "nearest names: .*tanh"),
        ({"output": linear(dropout=2)}, "OptionError", "'dropout' is 2: a rate"),
        ({"a": linear(**{"from": "output"}), "output": linear(**{"from": "a"})}, "LayerCycleError", "'a' → 'output' → 'a'|'output' → 'a' → 'output'"),
        ({"output": {"class": "reduce", "mode": "sum", "axis": "Q", "from": "data"}}, "DimError", "'output' .reduce.*'Q' does not describe an axis"),
        ({"output": {"class": "reduce", "mode": "sun", "axis": "T", "from": "data"}}, "OptionError", "'mode' is 'sun'"),
        ({"output": linear(forward_weights_init="glorot")}, "OptionError", "'output' .*'glorot' does not describe initial values"),
        ({"output": linear(name_scope=3)}, "OptionError", "'name_scope' is 3: a string is needed"),
        ({"output": {"class": "eval", "eval": "source(0) +", "from": "data"}}, "TenureError", "'output' .eval.*is not a Python expression"),
        ({"output": {"class": "eval", "eval": "__import__('os')", "from": "data"}}, "TenureError", "'output' .eval.*'__import__'"),
        ({"output": linear(loss=np.ones(2))}, "OptionError", "'output' .linear.*'loss' is array.*neither a name"),
        ({"output": linear(only_on_search=np.ones(2))}, "OptionError", "'only_on_search' is array"),
        ({"output": {"class": "rec", "unit": {"output": linear(need_last=np.ones(2))}, "from": "data"}}, "OptionError", "'output/output' .linear.*'need_last' is array"),
        ({"output": {"class": "rec_loop", "from": "data"}}, "OptionError", "'output' .rec_loop.*'unit' is None"),
        ({"output": {"class": "copy", "from": "data", "out_shape": set()}}, "OptionError", "'out_shape' is .*also has"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(net, kind, said):
    with pytest.raises(tn.TenureError, match=f"(?s){said}") as error:
        tn.network(net, DATA)
    assert kind in [c.__name__ for c in type(error.value).__mro__]


def test_layers_of_absent_targets_are_left_out():
    """Without losses, RETURNN has no targets: what is computed from them, and its parameters, are not there."""
    declared = data()
    declared["classes"]["available_for_inference"] = False
    net = {
        "h": {"class": "linear", "n_out": 3, "activation": None, "from": "data"},
        "past": {"class": "linear", "n_out": 3, "activation": None, "from": "data:classes"},
        "both": {"class": "linear", "n_out": 2, "activation": None, "from": ["h", "past"], "is_output_layer": True},
        "output": {"class": "softmax", "from": "h", "target": "classes", "loss": "ce"},
    }
    model = network.Network(net, declared)
    with_losses, _ = model.init(jax.random.key(0), BATCH)
    without, state = model.init(jax.random.key(0), BATCH, train=False, losses=False)
    assert set(with_losses) == {"h", "past", "both", "output"}
    assert set(without) == {"h", "output"}
    result, _ = model.apply(without, state, None, BATCH, losses=False, layers=("*",))
    assert "output" in result.outputs and "both" not in result.outputs


def test_a_layer_of_words_other_than_eval_is_refused_where_it_is_needed():
    words = {"class": "copy", "from": "data", "out_type": {"shape": (), "dtype": "string"}}
    net = {"words": words, "output": {"class": "copy", "from": "data"}}
    network.network(net, {"data": {"dim": 2}})  # nobody needs it
    with pytest.raises(tn.TenureError, match="layer 'words'.*only 'eval' gives words"):
        network.network({**net, "output": {"class": "copy", "from": "words"}}, {"data": {"dim": 2}})
