"""Edit distance: Levenshtein 1966, "Binary codes capable of correcting deletions, insertions, and reversals"."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def distances(a: jax.Array, a_lengths: jax.Array, b: jax.Array, b_lengths: jax.Array) -> jax.Array:
    """How many insertions, deletions and substitutions turn each sequence of `a` into that of `b`.

    Args:
      a: [B, M].
      a_lengths: [B].
      b: [B, N].
      b_lengths: [B].

    Returns:
      [B] integers.

    >>> distances(jnp.asarray([[1, 2, 3]]), jnp.asarray([3]), jnp.asarray([[2, 3]]), jnp.asarray([2]))
    Array([1], dtype=int32)
    """
    n = b.shape[1]
    places = jnp.arange(n + 1, dtype=jnp.int32)
    start = jnp.broadcast_to(places, (a.shape[0], n + 1))

    def step(row: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        label, t = inputs
        new = next_row(row, label, b)
        return jnp.where((t < a_lengths)[:, None], new, row), None

    row, _ = jax.lax.scan(step, start, (a.T, jnp.arange(a.shape[1])))
    return jnp.take_along_axis(row, b_lengths[:, None].astype(jnp.int32), axis=1)[:, 0]


def next_row(row: jax.Array, label: jax.Array, b: jax.Array) -> jax.Array:
    """The table's row [B, N + 1] after one more label [B] of the first sequence.

    An insertion looks at the entry to the left in the same row; as a running minimum of `entry - place` it needs no loop.
    """
    places = jnp.arange(row.shape[1], dtype=row.dtype)
    replaced = row[:, :-1] + (label[:, None] != b).astype(row.dtype)
    without = jnp.minimum(row[:, 1:] + 1, replaced)
    without = jnp.concatenate([row[:, :1] + 1, without], axis=1)
    return jax.lax.cummin(without - places, axis=1) + places
