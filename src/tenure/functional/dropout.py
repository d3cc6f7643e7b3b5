"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp


def dropped(rng: jax.Array, rate: float | jax.Array, x: jax.Array, shape: Sequence[int] | None = None) -> jax.Array:
    """`x` with each element zero with probability `rate`, and the others divided by `1 - rate`.

    Source: Hinton et al. 2012, https://arxiv.org/abs/1207.0580.

    Args:
      rng: a random key.
      rate: in [0, 1).
      x: any array.
      shape: of the mask, which broadcasts to x; None for x's own.

    >>> dropped(jax.random.key(0), 0.5, jnp.ones((2, 3)), (1, 3))
    Array([[0., 0., 2.],
           [0., 0., 2.]], dtype=float32)
    """
    keep_rate = 1.0 - rate
    keep = jax.random.bernoulli(rng, keep_rate, shape=x.shape if shape is None else tuple(shape))
    return jnp.broadcast_to(keep, x.shape).astype(x.dtype) * x / keep_rate
