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
