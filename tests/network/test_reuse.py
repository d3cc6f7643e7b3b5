"""`reuse_params` in all its forms, and `share` in dictionaries: the RETURNN thread's config, and what is weak there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.network.tf import tf
from tests.network.reused import FRAMES, X, built, linear

WORDS = {"data": {"dim": 11, "sparse": True}}
TOKENS = {"data": np.array([[1, 2, 3], [4, 5, 0]])}


def transposed(reuse_layer, **kwargs):
    """As in the thread: the matrix of the layer that is reused, transposed."""
    return tf.transpose(reuse_layer.params["W"])


def embeddings(reuse):
    """`source_embed` ← `target_embed` ← `output_prob`, the last one transposed."""
    return {
        "source_embed": linear(n_out=4, with_bias=False),
        "target_embed": linear(n_out=4, with_bias=False, reuse_params="source_embed"),
        "both": {"class": "combine", "kind": "add", "from": ["source_embed", "target_embed"]},
        "output": {"class": "softmax", "from": "both", "n_out": 11, "with_bias": False, "reuse_params": reuse},
    }


def test_the_config_of_the_thread():
    reuse = {"map": {"W": {"reuse_layer": "target_embed", "custom": transposed}}}
    net, params, state = built(embeddings(reuse), WORDS)
    assert jax.tree.map(jnp.shape, params) == {"source_embed": {"W": (11, 4)}}
    ledger = net.plan().ledger
    assert ledger.owner_of("output/W") == "source_embed/W"
    assert ledger.chain_of("output/W") == ("output/W", "target_embed/W", "source_embed/W")
    result, _ = net.apply(params, state, None, TOKENS)
    w = params["source_embed"]["W"]
    expected = jax.nn.softmax(2 * w[TOKENS["data"]] @ w.T)
    np.testing.assert_allclose(result.outputs["output"].data, expected, rtol=1e-5)


def test_the_same_as_native_data():
    shared = embeddings(None)
    shared["target_embed"] = linear(n_out=4, with_bias=False, share={"W": "source_embed/W"})
    shared["output"] = {**shared["output"], "reuse_params": None, "share": {"W": "target_embed/W | transpose"}}
    net, params, _ = built(shared, WORDS)
    assert net.plan().ledger.owner_of("output/W") == "source_embed/W"
    assert list(params) == ["source_embed"]


def test_the_qkv_case():
    """A linear layer's `W` is the self-attention's `QKV`: another name, no copy."""
    net, params, state = built(
        {
            "self_att": {"class": "self_attention", "num_heads": 2, "total_key_dim": 4, "n_out": 4, "from": "data"},
            "linear": linear(
                n_out=12,
                with_bias=False,
                is_output_layer=True,
                reuse_params={
                    "auto_create_missing": False,
                    "map": {
                        "W": {"reuse_layer": "self_att", "custom": lambda reuse_layer, **kw: reuse_layer.params["QKV"]}
                    },
                },
            ),
            "output": {"class": "copy", "from": "self_att"},
        },
        FRAMES,
    )
    assert jax.tree.map(jnp.shape, params) == {"self_att": {"QKV": (3, 12)}}
    result, _ = net.apply(params, state, None, X)
    np.testing.assert_allclose(result.outputs["linear"].data, X["data"] @ params["self_att"]["QKV"], rtol=1e-5)


def test_the_name_first_or_the_order_reversed_does_not_matter():
    """The borrower comes first in the order of construction, and is computed first."""
    net, params, _ = built(
        {
            "a": linear(n_out=3, reuse_params="z"),
            "z": linear(n_out=3, **{"from": "a"}),
            "output": {"class": "copy", "from": "z"},
        },
        FRAMES,
    )
    assert list(params) == ["z"]
    assert net.plan().ledger.users_of("z/W") == ("a/W", "z/W") or set(net.plan().ledger.users_of("z/W")) == {
        "a/W",
        "z/W",
    }


def test_parameters_in_a_loop_of_layers():
    """`a` borrows from `b`, whose input is `a`: layers depend on each other, parameters do not."""
    _, params, _ = built(
        {
            "a": linear(n_out=3, reuse_params="b"),
            "b": linear(n_out=3, **{"from": "a"}),
            "output": {"class": "copy", "from": "b"},
        },
        FRAMES,
    )
    assert list(params) == ["b"]


def test_only_some_parameters_by_map():
    _, params, _ = built(
        {
            "a": linear(n_out=3),
            "output": linear(n_out=3, reuse_params={"map": {"W": "a", "b": None}}, **{"from": "a"}),
        },
        FRAMES,
    )
    assert {k: set(v) for k, v in params.items()} == {"a": {"W", "b"}, "output": {"b"}}


def test_what_the_other_lacks_is_created():
    _, params, _ = built(
        {
            "a": linear(n_out=3, with_bias=False),
            "output": linear(n_out=3, reuse_params={"reuse_layer": "a", "auto_create_missing": True}, **{"from": "a"}),
        },
        FRAMES,
    )
    assert {k: set(v) for k, v in params.items()} == {"a": {"W"}, "output": {"b"}}


def test_the_output_of_a_layer_as_parameter():
    net, params, state = built(
        {
            "w": {"class": "variable", "shape": (3, 2), "init": 2.0},
            "output": linear(n_out=2, with_bias=False, reuse_params={"map": {"W": {"layer_output": "w"}}}),
        },
        FRAMES,
    )
    assert list(params) == ["w"]
    result, _ = net.apply(params, state, None, X)
    np.testing.assert_allclose(result.outputs["output"].data, X["data"] @ np.full((3, 2), 2.0), rtol=1e-5)


def test_a_whole_sub_network_is_reused():
    inner = {"h": linear(n_out=3), "output": linear(n_out=3, **{"from": "h"})}
    net, params, _ = built(
        {
            "one": {"class": "subnetwork", "from": "data", "subnetwork": inner},
            "output": {"class": "subnetwork", "from": "one", "subnetwork": inner, "reuse_params": "one"},
        },
        FRAMES,
    )
    assert set(params) == {"one/h", "one/output"}
    assert net.plan().ledger.owner_of("output/h/W") == "one/h/W"


def test_a_layer_inside_of_a_loop_is_reused():
    net, params, _ = built(
        {
            "rec": {
                "class": "rec",
                "from": "data",
                "unit": {
                    "x": {"class": "linear", "n_out": 3, "from": ["data:source"]},
                    "output": {"class": "combine", "kind": "add", "from": ["x", "prev:output"]},
                },
            },
            "output": linear(n_out=3, reuse_params="rec/x", **{"from": "rec"}),
        },
        FRAMES,
    )
    assert set(params) == {"rec/rec/x"}
    assert net.plan().ledger.owner_of("output/W") == "rec/rec/x/W"


def test_a_layer_of_a_loop_that_is_not_computed_is_reused():
    """Its own inputs come from outside of the loop."""
    unit = {
        "x": linear(n_out=3, **{"from": ["data:source", "base:mean"]}),
        "wide": linear(n_out=6, **{"from": "prev:output"}),
        "output": linear(n_out=3, reuse_params="x", **{"from": "wide"}),
    }
    mean = {"class": "reduce", "mode": "mean", "axes": "T", "from": "data"}
    net, params, _ = built({"mean": mean, "output": {"class": "rec", "from": "data", "unit": unit}}, FRAMES)
    assert net.plan().ledger.owner_of("output/rec/output/W") == "output/rec/x/W"


def test_the_owner_says_what_is_trained():
    layers = {"a": linear(n_out=3), "output": linear(n_out=3, reuse_params="a", **{"from": "a"})}
    frozen_owner = {**layers, "a": {**layers["a"], "trainable": False}}
    frozen_user = {**layers, "output": {**layers["output"], "trainable": False}}
    assert tn.network(frozen_owner, FRAMES).trainable() == {"a": {"W": False, "b": False}}
    assert tn.network(frozen_user, FRAMES).trainable() == {"a": {"W": True, "b": True}}


def test_legacy_does_not_lend_what_is_borrowed():
    layers = {
        "a": linear(n_out=3),
        "b": linear(n_out=3, reuse_params="a", **{"from": "a"}),
        "output": linear(n_out=3, reuse_params={"reuse_layer": "b", "auto_create_missing": True}, **{"from": "b"}),
    }
    assert set(built(layers, FRAMES)[1]) == {"a"}
    assert set(built(layers, FRAMES, reuse="legacy")[1]) == {"a", "output"}


@pytest.mark.parametrize(
    ("reuse", "said"),
    [
        ("nope", "'output'.*'reuse_params' names 'nope'"),
        ("output", "a layer cannot reuse its own parameters"),
        ({"layer": "a"}, "there is no 'layer' in it"),
        ({"map": {"W": "a"}}, "'output/b' would be a new parameter"),
        ({"map": {"V": "a"}, "auto_create_missing": True}, "'output/V' was never used"),
        ({"map": ["W"]}, "'map' is"),
        ({"map": {"W": {"custom": 3}}}, "'custom' is 3, not a function"),
        ({"map": {"W": "small", "b": None}}, r"'output/W' needs \(3, 3\) but its owner gives \(3, 2\)"),
        ({"map": {"W": "small", "b": None}}, r"float32  layer 'output' \(\w+\)(.|\n)*float32  layer 'small' \(\w+\)"),
        (
            {
                "map": {
                    "W": {"reuse_layer": "a", "custom": lambda reuse_layer, **kw: reuse_layer.params["nope"]},
                    "b": None,
                }
            },
            "a/nope",
        ),
        ({"map": {"W": {"reuse_layer": "a", "custom": lambda **kw: 0}, "b": None}}, "'custom' reads no parameter"),
    ],
)
def test_what_cannot_be_is_said(reuse, said):
    net = {
        "a": linear(n_out=3),
        "small": linear(n_out=2, is_output_layer=True),
        "output": linear(n_out=3, reuse_params=reuse, **{"from": "a"}),
    }
    with pytest.raises(tn.TenureError, match=said):
        tn.network(net, FRAMES)


def test_two_that_reuse_each_other():
    net = {
        "a": linear(n_out=3, reuse_params="output"),
        "output": linear(n_out=3, reuse_params="a", **{"from": "a"}),
    }
    with pytest.raises(tn.errors.CycleError, match="a/W.*output/W|output/W.*a/W"):
        tn.network(net, FRAMES)


def test_a_custom_function_of_two_parameters():
    def both(reuse_layer, **kw):
        first, second = reuse_layer.params["W"], reuse_layer.params["b"]
        return jnp.concatenate([first, second[None]])

    net = {
        "a": {"class": "linear", "n_out": 4, "activation": None, "from": "data"},
        "wide": {"class": "pad", "axes": "F", "padding": (0, 1), "value": 1.0, "from": "data"},
        "b": {
            "class": "linear",
            "n_out": 4,
            "activation": None,
            "with_bias": False,
            "from": "wide",
            "reuse_params": {"map": {"W": {"reuse_layer": "a", "custom": both}}},
        },
        "output": {"class": "combine", "kind": "sub", "from": ["a", "b"]},
    }
    model = tn.network(net, FRAMES)
    plan = model.plan()
    assert sorted(plan.ledger.owners_of("b/W")) == ["a/W", "a/b"] and "⟨both⟩" in str(plan.ledger)
    x = np.random.RandomState(0).randn(2, 5, 3).astype("float32")
    params, state = model.init(jax.random.key(0), {"data": x})
    params["a"]["b"] = jnp.arange(4.0)
    result, _ = model.apply(params, state, None, {"data": x})
    assert set(params) == {"a"} and np.allclose(result.outputs["output"].data, 0, atol=1e-5)


def test_a_custom_function_that_reads_after_it_computed():
    def late(reuse_layer, **kw):
        first = jnp.transpose(reuse_layer.params["W"])
        return first + reuse_layer.params["b"]

    reuse = {"map": {"W": {"reuse_layer": "a", "custom": late}, "b": None}}
    net = {
        "a": {"class": "linear", "n_out": 3, "from": "data"},
        "output": {"class": "linear", "n_out": 3, "from": "a", "reuse_params": reuse},
    }
    with pytest.raises(tn.TenureError, match="reads 'b' after it computed with 'W'"):
        tn.network(net, FRAMES)
