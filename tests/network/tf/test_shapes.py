"""Making, joining and cutting arrays by TensorFlow's names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.network.tf import tf


def test_shapes():
    shape = tf.TensorShape([None, 40])
    assert (shape.ndims, shape.as_list(), shape.num_elements()) == (2, [None, 40], None)
    a, b = tf.meshgrid(tf.range(2), tf.range(3), indexing="ij")
    assert a.shape == b.shape == (2, 3) and b[0].tolist() == [0, 1, 2]


def test_masks_of_known_lengths_are_as_long_as_the_longest_and_computed_ones_need_maxlen():
    assert tf.sequence_mask([1, 3]).tolist() == [[True, False, False], [True] * 3]
    assert tf.sequence_mask(jnp.asarray([1, 2]), dtype=tf.float32).tolist() == [[1, 0], [1, 1]]
    assert jax.jit(lambda n: tf.sequence_mask(n, 2))(np.array([1])).tolist() == [[True, False]]
    with pytest.raises(tn.TenureError, match="maxlen=tf.shape"):
        jax.jit(tf.sequence_mask)(np.array([1, 2]))


def test_a_function_that_asks_a_shape_for_what_only_tensorflow_has_is_told_the_way():
    net = {"output": {"class": "eval", "from": "data", "eval": lambda source, **_: source(0) * source(0).shape.ndims}}
    with pytest.raises(tn.TenureError, match=r"x\.get_shape\(\)\.ndims"):
        tn.network(net, {"data": {"dim": 4}}).plan(None)


def test_a_list_of_computed_numbers_is_repeated():
    found = jax.jit(lambda x: tf.tile([[x, 2 * x]], [2, 1]))(jnp.float32(3))
    assert found.tolist() == [[3, 6], [3, 6]]


def test_a_constant_that_is_known_has_the_methods_of_arrays():
    """As TensorFlow's loops ask it for `shape_invariants`."""
    i = tf.constant(2)
    first = i
    i += 1
    assert (int(first), int(i)) == (2, 3) and i.get_shape().ndims == 0 and (i * 2).get_shape().ndims == 0
    assert first.set_shape(()) is None and str(first.dtype) == "int32" and str(tf.constant(True).dtype) == "bool"
    shapes = [first.get_shape(), tf.TensorShape([None])]
    found = tf.while_loop(
        lambda i, x: i < 5,
        lambda i, x: (i + 1, tf.concat([x, [1.0]], 0)),
        [first, tf.ones([1])],
        shape_invariants=shapes,
    )
    assert found[1].shape == (4,)
    assert jax.jit(lambda x: x * first + tf.range(first)[1])(jnp.int32(4)) == 9
