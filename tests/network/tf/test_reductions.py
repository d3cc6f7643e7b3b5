"""Reductions under TensorFlow's names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network.tf import tf
from tenure.network.tf.static import UnknownTensorFlowError


@pytest.mark.parametrize("name", ["sum", "mean", "max", "logsumexp"])
@pytest.mark.parametrize("axes", [[1, 2], (1, 2)])
def test_several_axes_of_what_is_computed(name, axes):
    x = np.random.RandomState(0).randn(2, 3, 4).astype("float32")
    reduce = getattr(tf, f"reduce_{name}")
    wanted = getattr(jax.scipy.special if name == "logsumexp" else jnp, name)(x, axis=(1, 2))
    np.testing.assert_allclose(jax.jit(lambda x: reduce(x, axis=axes))(x), wanted, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda x: reduce(x, axes))(x), wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all", "mean", "std", "variance", "logsumexp"])
@pytest.mark.parametrize("word", ["keepdims", "keep_dims"])
@pytest.mark.parametrize("known", [True, False])
def test_an_axis_that_is_kept(name, word, known):
    x = np.arange(6).reshape(2, 3)
    x = x > 2 if name in ("any", "all") else x.astype("float32")
    x = x if known else jnp.asarray(x)
    reduce = getattr(tf, f"reduce_{name}")
    kept = np.asarray(reduce(x, axis=-1, **{word: True}))
    assert kept.shape == (2, 1) and np.array_equal(kept, np.asarray(reduce(x, -1, True)))
    assert np.array_equal(kept[:, 0], np.asarray(reduce(x, axis=1))) and np.shape(reduce(x)) == ()


def test_segments_that_are_known_inside_of_a_program():
    found = jax.jit(lambda x: tf.math.segment_min(x, tf.range(6) // 3))(jnp.arange(6.0))
    assert found.tolist() == [0, 3]
    with pytest.raises(UnknownTensorFlowError, match="no known size"):
        jax.jit(lambda x: tf.where(x > 2))(jnp.arange(6.0))
    assert tf.where(jnp.arange(6.0) > 3).tolist() == [[4], [5]]


def test_entries_in_order():
    x = jnp.array([[3.0, 1.0, 2.0, 1.0]])
    assert tf.sort(values=x, axis=1, direction="DESCENDING").tolist() == [[3, 2, 1, 1]]
    assert tf.argsort(x, -1, "DESCENDING").tolist() == [[0, 2, 1, 3]] and tf.argsort(x).tolist() == [[1, 3, 2, 0]]
    assert tf.sort(x.T, 0)[:, 0].tolist() == [1, 1, 2, 3]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_running_sums_of_exponentials(axis):
    x = jax.random.normal(jax.random.key(0), (3, 4))
    running = tf.math.cumulative_logsumexp
    np.testing.assert_allclose(jnp.exp(running(x, axis=axis)), jnp.cumsum(jnp.exp(x), axis), rtol=1e-5)
    first = jnp.take(running(x, axis=axis, exclusive=True, reverse=True), -1, axis=axis)
    assert np.isneginf(first).all()
