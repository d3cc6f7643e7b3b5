"""Where the entries of sequences lie in an axis: those that count come first, and what follows is padding.

A dim's lengths say how many entries count, never where they are. So whatever joins, merges, splits or turns round axes moves the
entries of each sequence to the front. Functions here take and give [*dims] arrays, and lengths that broadcast against them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import ops, sizes
from tenure.network.dims import Dim
from tenure.network.tensor import Tensor


def ends(dim: Dim, dims: Sequence[Dim]) -> Any:
    """How many entries of `dim` count: an array that broadcasts to `dims`, or the padded size where all do.

    Raises:
      DimError: the lengths go over a dim that is not among `dims`.
    """
    lengths = sizes.current().lengths(dim)
    return sizes.current().padded(dim) if lengths is None else ops.aligned(lengths, dims)


def ragged(dim: Dim) -> bool:
    """Whether sequences have different numbers of entries of `dim`."""
    return not dim.is_batch and sizes.current().lengths(dim) is not None


def positions(size: int, axis: int, ndim: int) -> jax.Array:
    """0, 1, …, along one of `ndim` axes."""
    return jnp.arange(size).reshape([-1 if i == axis else 1 for i in range(ndim)])


def take(data: jax.Array, index: jax.Array, axis: int) -> jax.Array:
    """Entries of an axis at indices that broadcast against the other axes; indices outside mean the nearest entry."""
    index = jnp.clip(index, 0, max(data.shape[axis] - 1, 0))
    if all(n == 1 for i, n in enumerate(index.shape) if i != axis):
        return jnp.take(data, index.reshape(-1), axis=axis)
    return jnp.take_along_axis(data, index, axis=axis)


def zeroed(x: Tensor) -> Tensor:
    """`x` with zeros in the padding of all its axes; axes whose lengths go over dims that `x` lacks stay."""
    for dim in x.dims:
        lengths = sizes.current().lengths(dim) if dim.is_dynamic else None
        if lengths is not None and all(x.has(d) for d in lengths.dims):
            x = ops.masked(x, dim, 0)
    return x


def edged(x: Tensor, axis: int) -> Tensor:
    """`x` with each sequence's last entry as the padding of an axis."""
    if not ragged(x.dims[axis]):
        return x
    end = ends(x.dims[axis], x.dims)
    return x.like(take(x.data, jnp.minimum(positions(x.shape[axis], axis, x.ndim), end - 1), axis))


def turned(x: Tensor, axis: int) -> Tensor:
    """`x` with the entries that count in the opposite order."""
    end = ends(x.dims[axis], x.dims)
    return x.like(take(x.data, end - 1 - positions(x.shape[axis], axis, x.ndim), axis))


def extended(x: Tensor, axis: int, left: int, right: int, mode: str) -> jax.Array:
    """`x` with entries before and after those of each sequence, as `numpy.pad` has them for one sequence.

    Args:
      x: a tensor.
      axis: that becomes longer.
      left, right: how many entries are added.
      mode: "reflect", "symmetric", "edge" or "wrap".
    """
    end = jnp.maximum(jnp.asarray(ends(x.dims[axis], x.dims)), 1)
    index = positions(left + x.shape[axis] + right, axis, x.ndim) - left
    if mode == "edge":
        index = jnp.clip(index, 0, end - 1)
    elif mode == "wrap":
        index = index % end
    else:
        period = 2 * end if mode == "symmetric" else jnp.maximum(2 * end - 2, 1)
        index = index % period
        index = jnp.where(index < end, index, period - (mode == "symmetric") - index)
    return take(x.data, index, axis)


def joined(parts: Sequence[jax.Array], dims: Sequence[Dim], frame: Sequence[Dim], axis: int) -> jax.Array:
    """Arrays one after the other along an axis, each sequence's entries right after those of the part before.

    Args:
      parts: whose axes are those of `frame`, of size 1 where they broadcast.
      dims: of each part, its dim in that axis.
      frame: the dims of the result.
      axis: in which they are joined.
    """
    if not any(ragged(dim) for dim in dims[:-1]):
        return ops.join(parts, axis)
    found, start = ops.join(parts, axis), jnp.zeros((1,) * len(frame), jnp.int32)
    at = positions(found.shape[axis], axis, len(frame))
    result = jnp.zeros((), found.dtype)
    for part, dim in zip(parts, dims, strict=True):
        own = [dim if i == axis else d for i, d in enumerate(frame)]
        count = ends(dim, own)
        full = jnp.broadcast_to(part, [part.shape[axis] if i == axis else n for i, n in enumerate(found.shape)])
        inside = (at >= start) & (at < start + count)
        result = jnp.where(inside, take(full, at - start, axis), result)
        start = start + count
    return result


def merged(data: jax.Array, dims: Sequence[Dim], first: int, count: int) -> jax.Array:
    """`count` axes from `first` on as one, the last of them the fastest, the entries of each sequence in front.

    Args:
      data: an array.
      dims: its dims.
      first, count: which of its axes.
    """
    inner = data.shape[first : first + count]
    flat = data.reshape((*data.shape[:first], math.prod(inner), *data.shape[first + count :]))
    if not any(ragged(d) for d in dims[first + 1 : first + count]):
        return flat
    rest = jnp.arange(flat.shape[first]).reshape([-1 if i == first else 1 for i in range(flat.ndim)])
    index, stride = jnp.zeros((), jnp.int32), 1
    for i in reversed(range(first, first + count)):
        n = _without(ends(dims[i], dims), first, count)
        own = rest if i == first else rest % jnp.maximum(n, 1)
        rest = rest // jnp.maximum(n, 1)
        index, stride = index + jnp.minimum(own, data.shape[i] - 1) * stride, stride * data.shape[i]
    return take(flat, index, first)


def split(data: jax.Array, dims: Sequence[Dim], first: int, count: int) -> jax.Array:
    """The inverse of `merged`.

    Args:
      data: an array, whose axis `first` is to become `count` axes.
      dims: of the result.
      first, count: as of `merged`.
    """
    shape = [sizes.current().padded(d) for d in dims[first : first + count]]
    plain = (*data.shape[:first], *shape, *data.shape[first + 1 :])
    if not any(ragged(d) for d in dims[first + 1 : first + count]):
        return data.reshape(plain)
    index: Any = 0
    for i in range(first, first + count):
        index = index * ends(dims[i], dims) + positions(shape[i - first], i, len(dims))
    inner = range(first, first + count)
    index = jnp.broadcast_to(index, [plain[i] if i in inner else n for i, n in enumerate(index.shape)])
    flat = index.reshape((*index.shape[:first], math.prod(shape), *index.shape[first + count :]))
    return take(data, flat, first).reshape(plain)


def _without(count: Any, first: int, axes: int) -> Any:
    """Lengths that broadcast against an array whose axes were merged."""
    return count if isinstance(count, int) else jnp.squeeze(count, tuple(range(first + 1, first + axes)))
