"""Means, variances and what normalises with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.functional.dtypes import typed


def moments(
    x: jax.Array, axes: Sequence[int], *, mask: jax.Array | None = None, fast: bool = False, twice: bool = False
) -> tuple[jax.Array, jax.Array]:
    """Mean and variance over axes, which stay with size 1.

    Args:
      x: any array.
      axes: what to average over.
      mask: which elements count; broadcasts to x. None for all.
      fast: `E[x²] - E[x]²` for the variance: faster, and less exact where the mean is large.
      twice: the variance as `jnp.var` computes it, which centres x on its own. It is the same number, but a compiled
        program may round it otherwise. Without it, the variance is the mean of the squares of `x - mean`.

    >>> [m.tolist() for m in moments(jnp.array([[1.0, 3.0]]), (1,))]
    [[[2.0]], [[1.0]]]
    """
    axes = tuple(axes)
    if mask is not None:
        keep = jnp.broadcast_to(mask, x.shape)
        total = jnp.sum(keep.astype(x.dtype), axes, keepdims=True)
        x = jnp.where(keep, x, 0)  # what does not count, NaN included, is in no gradient either
        mean = jnp.sum(x, axes, keepdims=True) / total
        return mean, jnp.sum(jnp.where(keep, jnp.square(x - mean), 0), axes, keepdims=True) / total
    mean = jnp.mean(x, axes, keepdims=True)
    if fast:
        return mean, jnp.mean(jnp.square(x), axes, keepdims=True) - jnp.square(mean)
    if twice or jnp.finfo(x.dtype).bits < 32:  # jnp.var computes in single precision
        return mean, jnp.var(x, axes, keepdims=True)
    return mean, jnp.mean(jnp.square(x - mean), axes, keepdims=True)


def normalised(
    x: jax.Array, mean: Any, variance: jax.Array, eps: float, scale: Any = None, offset: Any = None
) -> jax.Array:
    """`(x - mean) · scale / √(variance + eps) + offset`, for arrays that broadcast to x.

    Args:
      x: any array.
      mean, variance: broadcast to it.
      eps: is added to the variance.
      scale, offset: broadcast to it; None for none.

    >>> normalised(jnp.array([1.0, 3.0]), 2.0, jnp.array(1.0), 0.0, 2.0, 1.0)
    Array([-1.,  3.], dtype=float32)
    """
    return _scaled(x - mean, variance, eps, scale, offset)


def _scaled(centred: jax.Array, variance: jax.Array, eps: float, scale: Any, offset: Any) -> jax.Array:
    inverse = jax.lax.rsqrt(variance + typed(eps, variance.dtype))
    y = centred * (inverse if scale is None else scale * inverse)
    return y if offset is None else y + offset


def standardised(
    x: jax.Array, axes: Sequence[int], eps: float, scale: Any = None, offset: Any = None, **how: Any
) -> jax.Array:
    """`normalised` with the `moments` of x itself; further arguments are those of `moments`.

    Args:
      x: any array.
      axes: what mean and variance are taken over.
      eps: is added to the variance.
      scale, offset: broadcast to it; None for none.
      **how: `mask`, `fast` and `twice` of `moments`.

    Source: Ba et al. 2016, https://arxiv.org/abs/1607.06450.

    >>> standardised(jnp.array([1.0, 3.0]), (0,), 0.0)
    Array([-1.,  1.], dtype=float32)
    """
    other = how.get("mask") is not None or how.get("fast") or how.get("twice") or jnp.finfo(x.dtype).bits < 32
    if other:
        return normalised(x, *moments(x, axes, **how), eps, scale, offset)
    centred = x - jnp.mean(x, tuple(axes), keepdims=True)  # once: of two differences, each would have a gradient
    return _scaled(centred, jnp.mean(jnp.square(centred), tuple(axes), keepdims=True), eps, scale, offset)


def root_mean_square(y: jax.Array, x: jax.Array, axes: Sequence[int], eps: float) -> jax.Array:
    """`y / √(E[x²] + eps)`, with the mean over axes of x.

    Source: Zhang & Sennrich 2019, https://arxiv.org/abs/1910.07467.

    >>> root_mean_square(x := jnp.array([7.0, -7.0]), x, (0,), 0.0)
    Array([ 1., -1.], dtype=float32)
    """
    mean_square = jnp.mean(jnp.square(x), axis=tuple(axes), keepdims=True)
    return y * jax.lax.rsqrt(jnp.broadcast_to(mean_square, x.shape) + eps)
