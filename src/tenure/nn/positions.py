"""Where in a sequence a token is: sinusoids to add, rotations of queries and keys."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tenure.functional import sines_and_cosines


def positions(start: int | jax.Array, length: int) -> jax.Array:
    """The positions of `length` tokens in a row.

    Args:
      start: of the first token; an integer [], or one for each sequence [B].
      length: the number of tokens.

    Returns:
      [1, length], or [B, length].

    >>> positions(0, 3), positions(jnp.array([5, 9]), 2).tolist()
    (Array([[0, 1, 2]], dtype=int32), [[5, 6], [9, 10]])
    """
    return jnp.atleast_1d(jnp.asarray(start, jnp.int32))[:, None] + jnp.arange(length, dtype=jnp.int32)


def sinusoidal(positions: jax.Array, size: int, base: float = 10_000.0, dtype: Any = jnp.float32) -> jax.Array:
    """A vector for each position: sines in the first half, cosines in the second, of `position / base ** (2 i / size)`.

    Source: Vaswani et al. 2017, section 3.5, https://arxiv.org/abs/1706.03762 (which interleaves the halves).

    Args:
      positions: [...].
      size: an even number.

    Returns:
      [..., size].

    Raises:
      ValueError: `size` is odd.

    >>> sinusoidal(jnp.arange(2), 2).tolist()
    [[0.0, 1.0], [0.8414709568023682, 0.5403022766113281]]
    """
    return sines_and_cosines(positions, _rates(size, base)).astype(dtype)


def rotary(x: jax.Array, positions: jax.Array, base: float = 10_000.0) -> jax.Array:
    """Rotates each pair (x[i], x[i + K/2]) by `position / base ** (2 i / K)`.

    The product of a rotated query and a rotated key depends on the difference of their positions only.

    Source: Su et al. 2021, https://arxiv.org/abs/2104.09864; the pairs as in GPT-NeoX and Llama.

    Args:
      x: [..., T, heads, K], with an even K.
      positions: [..., T].

    Raises:
      ValueError: K is odd.

    >>> x = jnp.ones((1, 2, 1, 2))
    >>> rotary(x, jnp.array([[0, jnp.pi / 2]]))[0, :, 0].round(2)
    Array([[ 1.,  1.],
           [-1.,  1.]], dtype=float32)
    """
    turned = sines_and_cosines(positions, _rates(x.shape[-1], base))[..., None, :].astype(x.dtype)
    sin, cos = jnp.split(turned, 2, axis=-1)
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


def _rates(size: int, base: float) -> jax.Array:
    if size % 2:
        raise ValueError(f"positions turn pairs of elements, so their number must be even, and not {size}")
    return base ** (-jnp.arange(0, size, 2, dtype=jnp.float32) / size)
