"""Losses of frames as functions of arrays, against definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network.losses import frames


def test_binary_cross_entropy_is_stable_and_weighted():
    x, t = jnp.array([-100.0, 0.5, 100.0]), jnp.array([1.0, 0.0, 0.0])
    p = 1 / (1 + np.exp(-np.asarray(x, np.float64)))
    expected = -(3.0 * np.asarray(t) * np.log(p) + (1 - np.asarray(t)) * np.log1p(-np.minimum(p, 1 - 1e-16)))
    found = frames.binary_cross_entropy(x, t, 3.0)
    assert np.allclose(found[:2], expected[:2], rtol=1e-5) and found[2] == 100
    assert np.all(np.isfinite(jax.grad(lambda x: frames.binary_cross_entropy(x, t).sum())(x)))


def test_smoothing_is_zero_at_its_best():
    soft = frames.smoothed_targets(jnp.array([1]), 4, 0.1)
    assert soft.sum() == pytest.approx(1)
    best = frames.cross_entropy(jnp.log(soft), soft) - frames.smoothing_floor(4, 0.1)
    assert best[0] == pytest.approx(0, abs=1e-6)


def test_a_bound_changes_the_value_and_not_the_gradient():
    value, gradient = jax.value_and_grad(lambda x: frames.bounded(x**2, 4.0))(3.0)
    assert (value, gradient) == (4, 6)


def test_the_gradient_of_targets_that_do_not_sum_to_one_is_tensorflows():
    logits, target = jnp.array([0.3, -1.0, 2.0]), jnp.array([0.5, 0.1, 0.1])
    value, gradient = jax.value_and_grad(frames.softmax_cross_entropy)(logits, target)
    assert value == pytest.approx(float(-(target * jax.nn.log_softmax(logits)).sum()), rel=1e-5)
    assert np.allclose(gradient, jax.nn.softmax(logits) - target, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int32"])
def test_labels_of_a_dtype_that_does_not_hold_all_classes(dtype):
    logits, labels = jax.random.normal(jax.random.key(0), (2, 300)), jnp.array([1, 100])

    def loss(logits, dtype):
        return jnp.sum(frames.softmax_cross_entropy(logits, labels.astype(dtype)))

    for one, other in zip(*(jax.value_and_grad(loss)(logits, d) for d in (dtype, "int32")), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(frames.pick(logits, labels.astype(dtype)), logits[[0, 1], [1, 100]])
