"""Dropout keeps the mean."""

import jax
import jax.numpy as jnp

from tenure import nn


def test_dropout_keeps_the_mean_and_is_off_at_zero() -> None:
    x = jnp.ones(10_000)
    out = nn.dropout(jax.random.key(0), 0.4, x)
    assert abs(float(out.mean()) - 1) < 0.05
    assert nn.dropout(jax.random.key(0), 0.0, x) is x
