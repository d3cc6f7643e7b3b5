"""The largest entries of long rows."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

LONG = 1024  # entries, from which on a row is looked at in blocks
LEAST = 6  # entries of a block


def top_k(x: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """The `k` largest entries of the last axis, the largest first, of equal ones the first: as `jax.lax.top_k`, and as exact.

    XLA on CPUs compares the entries of a row one by one. So there, rows are cut into blocks, whose maxima are quickly found: the
    largest entries are in the `k` blocks with the largest maxima, and only those blocks are searched.

    Args:
      x: rows [..., n], without NaN; which of 0.0 and -0.0 comes first is not told.
      k: how many, at most n.

    Returns:
      Their values and their places, each [..., k].

    >>> values, places = top_k(jnp.array([3.0, 1.0, 3.0, 2.0]), 2)
    >>> values, places
    (Array([3., 3.], dtype=float32), Array([0, 2], dtype=int32))
    """

    def plain(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        values, places = lax.top_k(x, k)
        return values, places

    size = _block(x.shape[-1], k)
    if size is None:
        return plain(x)

    def in_blocks(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        count = x.shape[-1] // size
        _, blocks = lax.top_k(jnp.max(x.reshape(*x.shape[:-1], count, size), axis=-1), k)
        blocks = jnp.sort(blocks, axis=-1)  # of equal entries, the first one is found first
        places = blocks[..., None] * size + jnp.arange(size, dtype=blocks.dtype)
        places = places.reshape(*blocks.shape[:-1], k * size)
        found = jnp.take_along_axis(x, places, axis=-1, mode="promise_in_bounds")
        values, at = lax.top_k(found, k)
        return values, jnp.take_along_axis(places, at, axis=-1, mode="promise_in_bounds")

    found: tuple[jax.Array, jax.Array] = lax.platform_dependent(x, cpu=in_blocks, default=plain)
    return found


def _block(n: int, k: int) -> int | None:
    """The size of blocks that fill a row of `n` entries, with as much to do for their maxima as within `k` of them."""
    if not isinstance(n, int) or n < LONG or not 0 < k <= n:  # it may be a symbol
        return None
    best = (n / k) ** 0.5
    sizes = [s for s in range(LEAST, int(4 * best) + 1) if n % s == 0 and n // s > k]
    return min(sizes, key=lambda s: max(s / best, best / s), default=None)
