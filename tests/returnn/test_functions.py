"""Functions of configs from their sources."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure.network as network
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


# Masks of random places and widths over time and features, as published configs write them.
MASKS = """
def summary(name, x):
    import tensorflow as tf
    tf.summary.image(name, tf.transpose(tf.expand_dims(x, axis=3), [0, 2, 1, 3]), max_outputs=10)
    tf.summary.scalar("%s_largest" % name, tf.reduce_max(tf.abs(x)))
    tf.summary.histogram(f"{name}_hist", tf.reduce_max(tf.abs(x), axis=2))


def _mask(x, batch_axis, axis, pos, max_amount):
    import tensorflow as tf
    from TFUtil import where_bc
    rank = x.get_shape().ndims
    sequences, size = tf.shape(x)[batch_axis], tf.shape(x)[axis]
    width = tf.random_uniform(shape=(sequences,), minval=1, maxval=max_amount + 1, dtype=tf.int32)
    end = tf.minimum(pos + width, size)
    place = tf.expand_dims(tf.range(0, size), 0)
    inside = tf.logical_and(tf.greater_equal(place, tf.expand_dims(pos, 1)), tf.less(place, tf.expand_dims(end, 1)))
    if batch_axis > axis:
        inside = tf.transpose(inside)
    inside = tf.reshape(inside, [tf.shape(x)[i] if i in (batch_axis, axis) else 1 for i in range(rank)])
    return where_bc(inside, 0.0, x)


def random_mask(x, batch_axis, axis, min_num, max_num, max_dims):
    import tensorflow as tf
    sequences = tf.shape(x)[batch_axis]
    if isinstance(min_num, int) and isinstance(max_num, int) and min_num == max_num:
        count = min_num
    else:
        count = tf.random_uniform(shape=(sequences,), minval=min_num, maxval=max_num + 1, dtype=tf.int32)
    noise = -tf.log(-tf.log(tf.random_uniform((sequences, tf.shape(x)[axis]), 0, 1)))
    _, places = tf.nn.top_k(noise, count if isinstance(count, int) else tf.reduce_max(count))
    if isinstance(count, int):
        for i in range(count):
            x = _mask(x, batch_axis=batch_axis, axis=axis, pos=places[:, i], max_amount=max_dims)
        return x
    _, x = tf.while_loop(
        cond=lambda i, _: tf.less(i, tf.reduce_max(count)),
        body=lambda i, x: (i + 1, tf.where(
            tf.less(i, count),
            _mask(x, batch_axis=batch_axis, axis=axis, pos=places[:, i], max_amount=max_dims), x)),
        loop_vars=(0, x))
    return x


def transform(data, network):
    import tensorflow as tf
    x = data.placeholder
    summary("features", x)
    late = tf.where(tf.greater_equal(network.global_train_step, 1000), 1, 0)

    def masked():
        y = x
        with tf.device("/cpu:0"), tf.name_scope("masks"):
            y = random_mask(y, batch_axis=data.batch_dim_axis, axis=data.time_dim_axis, min_num=late,
                            max_num=tf.maximum(tf.shape(x)[data.time_dim_axis] // 100, 1) * (1 + late), max_dims=2)
            y = random_mask(y, batch_axis=data.batch_dim_axis, axis=data.feature_dim_axis, min_num=1, max_num=1, max_dims=2)
        return y

    return network.cond_on_train(masked, lambda: x)
"""


@pytest.mark.parametrize("kind", ["interpreted", "native"])
def test_random_masks_run_as_they_are(kind):
    names = {}
    exec(MASKS, names)
    transform = function(MASKS) if kind == "interpreted" else names["transform"]
    call = "self.network.get_config().typed_value('transform')(source(0, as_data=True), network=self.network)"
    layers = {
        "h": {"class": "linear", "n_out": 8, "activation": "exp", "from": "data"},
        "output": {"class": "eval", "eval": call, "from": "h"},
    }
    net = network.Network(layers, {"data": {"dim": 5}}, behavior_version=0, config={"transform": transform})
    batch = {"data": np.random.RandomState(0).randn(4, 20, 5).astype("float32")}
    params, state = net.init(jax.random.key(0), batch)

    @functools.partial(jax.jit, static_argnums=3)
    def masked(params, key, step, train):
        found = net.apply(params, state, key, batch, train=train, step=step, layers=("*",))[0].outputs
        return found["output"].data, found["h"].data

    y, h = masked(params, jax.random.key(1), 2000, True)
    gone = np.asarray(y == 0)
    assert np.all(gone | (y == h)) and np.all(gone.all(axis=2).sum(axis=1) >= 1)  # frames, of each sequence
    assert np.all((gone.all(axis=1).sum(axis=1) >= 1) & (gone.all(axis=1).sum(axis=1) <= 2))  # features
    assert not np.array_equal(y, masked(params, jax.random.key(2), 2000, True)[0])
    assert np.array_equal(masked(params, None, 2000, False)[0], h)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(masked(p, jax.random.key(1), 2000, True)[0])))(params)["h"]
    kept = jnp.sum(jnp.where(gone, 0, h), axis=(0, 1))
    assert np.allclose(gradient["b"], kept, rtol=1e-4)  # of exp(x W + b)
