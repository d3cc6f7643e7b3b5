"""Masks for attention: True where a query may look at a key."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def causal_mask(length: int, start: int | jax.Array = 0, keys: int | None = None) -> jax.Array:
    """Lets each token look at itself and at those before it.

    Args:
      length: the number of queries.
      start: the position of the first query among the keys: [], or one for each sequence [B].
      keys: the number of keys; by default `length`.

    Returns:
      [1, 1, length, keys], or [B, 1, length, keys].

    >>> causal_mask(3)[0, 0].astype(int)
    Array([[1, 0, 0],
           [1, 1, 0],
           [1, 1, 1]], dtype=int32)
    """
    queries = jnp.atleast_1d(jnp.asarray(start))[:, None] + jnp.arange(length)
    return (queries[:, :, None] >= jnp.arange(length if keys is None else keys))[:, None]


def padding_mask(real: jax.Array) -> jax.Array:
    """Lets every token look at the real ones.

    Args:
      real: [B, T], True where a token is not padding.

    Returns:
      [B, 1, 1, T].

    >>> padding_mask(jnp.array([[True, False]])).shape
    (1, 1, 1, 2)
    """
    return jnp.asarray(real, bool)[:, None, None, :]
