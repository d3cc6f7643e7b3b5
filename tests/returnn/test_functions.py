"""Functions of configs from their sources."""

import jax.numpy as jnp
import numpy as np
import pytest

from tenure import TenureError
from tenure.network.expressions import ExpressionError
from tenure.returnn.functions import function
from tests.network.layers.running import X, run

TRANSPOSE = """
def custom(reuse_layer, *args, **kwargs):
    from returnn.tf.util.basic import safe_log
    import tensorflow as tf
    w = reuse_layer.params["W"]  # a comment
    assert len(w.shape) == 2, "a matrix"
    for axis in range(2):
        if axis == 1:
            w = tf.identity(w)
    total = 0
    total += 1
    return tf.transpose(w, [total, 0])
"""


@pytest.mark.parametrize("source", [TRANSPOSE, "lambda reuse_layer, **kw: tf.transpose(reuse_layer.params['W'])"])
def test_a_custom_function_of_reuse_params(source):
    custom = {"W": {"reuse_layer": "a", "custom": function(source)}}
    net = {
        "a": {"class": "linear", "n_out": 7, "activation": None, "from": "data"},
        "x": {
            "class": "linear",
            "n_out": 5,
            "activation": None,
            "with_bias": False,
            "reuse_params": {"map": custom},
            "from": "a",
        },
    }
    result, params = run(net)
    assert list(params) == ["a"]
    assert np.allclose(result.outputs["x"].data, result.outputs["a"].data @ params["a"]["W"].T, atol=1e-5)


def test_functions_in_place_of_strings():
    net = {
        "a": {
            "class": "eval",
            "eval": function("lambda source, **_: source(0) * 2 + source(1)"),
            "from": ["data", "data"],
        },
        "x": {"class": "activation", "activation": function("lambda x: tf.nn.relu(x)"), "from": "a"},
    }
    assert np.allclose(run(net)[0].outputs["x"].data, np.maximum(3 * X, 0), atol=1e-6)


def test_closures_and_defaults():
    assert (
        function("lambda x, y=2, *z, k, **kw: x * y + k + n + len(z) + len(kw)", {"n": 100})(3, 4, 5, k=1, q=0) == 115
    )
    inner = function("def f(x):\n    def g(y):\n        return y + x\n    return g(1)")
    assert inner(4) == 5


@pytest.mark.parametrize(
    "source, args",
    [
        ("import os", ()),
        ("def f():\n    import os\n    return os.getcwd()", ()),
        ("def f():\n    from os import getcwd\n    return getcwd()", ()),
        ("def f(x):\n    x.foo = 1", (1,)),
        ("def f(x):\n    while True: pass", (1,)),
        ("def f(x):\n    assert x > 1", (1,)),
        ("def f(x):\n    global y", (1,)),
        ("lambda x: y", (1,)),
        ("lambda x: x", ()),
        ("x +", ()),
        ("class A: pass", ()),
    ],
)
def test_refusals(source, args):
    with pytest.raises((ExpressionError, TenureError)):
        function(source)(*args)


def test_a_failing_assertion_is_shown():
    with pytest.raises(ExpressionError, match="x > 1"):
        function("def f(x):\n    assert x > 1\n    return x")(jnp.zeros(()))
