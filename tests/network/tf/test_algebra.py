"""Products, norms and cross entropies by TensorFlow's names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network.tf import tf

A, B = (
    np.random.RandomState(0).randn(2, 3, 4).astype("float32"),
    np.random.RandomState(1).randn(2, 3, 4).astype("float32"),
)
LOGITS = jnp.array([[0.5, -2.0, 1.0], [50.0, 0.0, -50.0]])
LABELS = jnp.array([2, 0])


def test_products():
    np.testing.assert_allclose(tf.matmul(A, B, transpose_b=True), A @ B.swapaxes(1, 2), rtol=1e-5)
    np.testing.assert_allclose(tf.matmul(A, B, transpose_a=True), A.swapaxes(1, 2) @ B, rtol=1e-5)
    np.testing.assert_allclose(tf.tensordot(A, B, [[2], [2]]), np.tensordot(A, B, [[2], [2]]), rtol=1e-5)
    np.testing.assert_allclose(tf.einsum("bij,bij->b", A, B), (A * B).sum((1, 2)), rtol=1e-4)


def test_norms():
    np.testing.assert_allclose(tf.norm(A, axis=-1), np.linalg.norm(A, axis=-1), rtol=1e-5)
    np.testing.assert_allclose(tf.norm(A, ord=1, axis=-1), np.abs(A).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(tf.nn.l2_normalize(A, axis=-1), axis=-1), 1, rtol=1e-5)
    assert np.isfinite(tf.nn.l2_normalize(jnp.zeros(3))).all()


def test_cross_entropies_are_stable():
    sparse = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=LABELS, logits=LOGITS)
    dense = tf.nn.softmax_cross_entropy_with_logits(labels=jax.nn.one_hot(LABELS, 3), logits=LOGITS)
    expected = -np.asarray(jax.nn.log_softmax(LOGITS))[[0, 1], [2, 0]]
    np.testing.assert_allclose(sparse, expected, rtol=1e-5)
    np.testing.assert_allclose(dense, expected, rtol=1e-5)
    sigmoid = tf.nn.sigmoid_cross_entropy_with_logits(labels=jnp.array([1.0, 0.0]), logits=jnp.array([-200.0, -200.0]))
    np.testing.assert_allclose(sigmoid, [200, 0], atol=1e-6)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_the_axis_has_two_names(name):
    function, ours = getattr(jax.nn, name), getattr(tf.nn, name)
    np.testing.assert_allclose(ours(A, axis=1), function(A, axis=1), rtol=1e-6)
    np.testing.assert_allclose(ours(A, dim=1), function(A, axis=1), rtol=1e-6)
    np.testing.assert_allclose(ours(A), function(A), rtol=1e-6)


def test_gradients_that_are_stopped():
    assert jax.grad(lambda x: tf.stop_gradient(x) * x)(3.0) == 3
