"""Dropout with the arguments that Haiku has."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from tenure.nn import dropout as nn_dropout


def dropout(rng: jax.Array, rate: float, x: jax.Array, broadcast_dims: Sequence[int] = ()) -> jax.Array:
    """`tenure.nn.dropout` with a key: whether it runs is the caller's decision.

    Args:
      rng: a random key.
      rate: in [0, 1).
      x: any array.
      broadcast_dims: axes along which all elements share their fate.

    >>> import jax.numpy as jnp, tenure.haiku as hk
    >>> hk.dropout(jax.random.key(0), 0.5, jnp.ones(8))
    Array([0., 0., 2., 2., 0., 2., 2., 0.], dtype=float32)
    """
    if rng is None:
        raise TypeError("hk.dropout needs a random key, such as hk.next_rng_key()")
    return nn_dropout(rng, rate, x, broadcast_dims)
