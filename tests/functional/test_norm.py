"""Norms next to their equations, in numbers and in operations."""

import jax
import jax.numpy as jnp
import numpy as np

from tenure.functional.norm import moments, normalised, standardised

X = jnp.asarray(np.random.RandomState(0).randn(4, 6), "float32")
SCALE, OFFSET = jnp.arange(1.0, 7.0), jnp.arange(6.0)


def by_hand(x, scale, offset):
    centred = x - jnp.mean(x, -1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), -1, keepdims=True)
    return centred * (scale * jax.lax.rsqrt(variance + 1e-5)) + offset


def ours(x, scale, offset, **how):
    return standardised(x, (-1,), 1e-5, scale, offset, **how)


def operations(function):
    """How many operations the gradient by all three arguments has."""
    gradient = jax.grad(lambda *args: (function(*args) ** 2).sum(), argnums=(0, 1, 2))
    return len(jax.make_jaxpr(gradient)(X, SCALE, OFFSET).eqns)


def test_the_gradient_has_no_more_operations_than_by_hand():
    """A second `x - mean` has a gradient of its own, which doubles what a compiled Transformer computes in its norms."""
    assert operations(ours) <= operations(by_hand)


def test_all_ways_to_compute_a_variance_agree():
    wanted = by_hand(X, SCALE, OFFSET)
    for how in ({}, {"twice": True}, {"fast": True}, {"mask": jnp.ones((4, 6), bool)}):
        np.testing.assert_allclose(ours(X, SCALE, OFFSET, **how), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(normalised(X, *moments(X, (-1,)), 1e-5, SCALE, OFFSET), wanted, rtol=1e-5, atol=1e-6)


def test_what_does_not_count_is_left_out():
    mean, variance = moments(X, (-1,), mask=jnp.arange(6) < 3)
    np.testing.assert_allclose(mean[:, 0], X[:, :3].mean(-1), rtol=1e-5)
    np.testing.assert_allclose(variance[:, 0], X[:, :3].var(-1), rtol=1e-5)
