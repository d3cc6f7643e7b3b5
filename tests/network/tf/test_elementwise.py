"""Functions of one number: their values and gradients."""

import jax
import jax.numpy as jnp
import pytest

from tenure.network.tf import activation


def test_safe_log_keeps_its_gradient_below_the_bound():
    assert jax.grad(activation("safe_log"))(jnp.float32(1e-25)) == pytest.approx(1e20)
