"""Dropout of a layer's input."""

import jax
import numpy as np
import pytest

import tenure as tn


def test_labels_cannot_be_dropped():
    layers = {"output": {"class": "linear", "n_out": 3, "activation": None, "dropout": 0.2, "from": "data"}}
    with pytest.raises(tn.TenureError, match=r"option 'dropout' is 0\.2.*labels"):
        tn.network(layers, {"data": {"dim": 5, "sparse": True}})


DATA = {"data": {"dim": 3}, "classes": {"dim": 5, "sparse": True}}


def linear(**more):
    return {"class": "linear", "n_out": 4, "from": "data", **more}


def test_the_same_inputs_have_the_same_dropout():
    drop = {"dropout": 0.5, "n_out": 4, "with_bias": False, "forward_weights_init": "identity"}
    net = tn.network(
        {"a": linear(**drop), "b": linear(**drop, is_output_layer=True), "output": {"class": "copy", "from": "a"}}, DATA
    )
    params, state = net.init(jax.random.key(0))
    batch = {"data": np.random.RandomState(0).randn(2, 5, 3).astype("float32")}
    result, _ = net.apply(params, state, jax.random.key(1), batch, train=True)
    np.testing.assert_array_equal(result.outputs["output"].data, result.outputs["b"].data)
    clean, _ = net.apply(params, state, None, batch)
    assert (clean.outputs["output"].data != result.outputs["output"].data).any()
