"""Parts of arrays by strides, masks and positions."""

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure.network import bounds
from tenure.network.tf import tf


def test_parts_of_arrays():
    x = jnp.arange(12.0).reshape(3, 4)
    assert tf.strided_slice(x, [0, 1], [3, 4], [2, 2]).tolist() == [[1, 3], [9, 11]]
    assert tf.strided_slice(x, [1, 2], [9, 9], shrink_axis_mask=1, end_mask=2).tolist() == [6, 7]
    assert tf.reverse_sequence(x, [2, 0, 4]).tolist() == [[1, 0, 2, 3], [4, 5, 6, 7], [11, 10, 9, 8]]
    assert tf.boolean_mask(x, [True, False, True])[:, 0].tolist() == [0, 8]
    assert tf.linalg.band_part(tf.ones([3, 3]), 1, 0).tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert tf.linalg.diag(jnp.array([2.0, 3.0])).tolist() == [[2, 0], [0, 3]]
    assert tf.tensor_scatter_nd_update(x, [[1]], [[9.0] * 4])[1].tolist() == [9] * 4
    assert tf.math.bincount([1, 1, 3], minlength=3).tolist() == [0, 2, 0, 1]


def test_a_diagonal_of_what_is_not_finite():
    assert tf.linalg.diag([jnp.inf, jnp.nan]).tolist()[0] == [jnp.inf, 0] and tf.linalg.diag([True, True])[0, 1] == 0


def test_counts():
    count = tf.math.bincount
    assert count(jnp.array([1, -1, 3])).tolist() == [0, 1, 0, 1]
    assert count([1, 1, 3], maxlength=2).tolist() == [0, 2] and count([0, 1], weights=[0.5, 2.0]).tolist() == [0.5, 2]
    assert jax.jit(lambda x: count(x, maxlength=5))(jnp.array([1, 1, 9])).tolist() == [0, 2, 0, 0, 0]


@pytest.mark.parametrize("make", [lambda: tf.math.bincount([10**9]), lambda: tf.linalg.diag(tf.zeros([10**5]))])
def test_what_would_be_too_large_is_refused(make):
    with bounds.budget(), pytest.raises(tn.TenureError):
        make()
