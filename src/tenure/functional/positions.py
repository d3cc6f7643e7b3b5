"""Sines and cosines of positions."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def sines_and_cosines(positions: jax.Array, rates: jax.Array) -> jax.Array:
    """Sines in the first half of a new last axis and cosines in the second, of positions times rates.

    Source: Vaswani et al. 2017, section 3.5, https://arxiv.org/abs/1706.03762, with both halves side by side.

    Args:
      positions: [...].
      rates: [n], radians for each position.

    Returns:
      [..., 2 n].

    >>> sines_and_cosines(jnp.arange(2), jnp.ones(1)).tolist()
    [[0.0, 1.0], [0.8414709568023682, 0.5403022766113281]]
    """
    angles = jnp.asarray(positions)[..., None].astype(jnp.float32) * rates
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1)
