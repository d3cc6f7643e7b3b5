"""Broadcasting by dim: which axes of several tensors are the same, and arrays that line up along them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import versions
from tenure.network.dims import Dim, DimError
from tenure.network.tensor import Tensor

Fn = Callable[..., jax.Array]


def map1(fn: Fn, x: Tensor) -> Tensor:
    """An elementwise function of one tensor.

    >>> from tenure.network.dims import feature_dim
    >>> map1(jnp.negative, Tensor(jnp.ones(2), (feature_dim(2),))).data
    Array([-1., -1.], dtype=float32)
    """
    return x.like(fn(x.data))


def map2(fn: Fn, a: Tensor, b: Tensor, **options: Any) -> Tensor:
    """An elementwise function of two tensors, over the dims of both."""
    return mapn(fn, [a, b], **options)


def mapn(fn: Fn, tensors: Sequence[Tensor], *, broadcast_all: bool | None = None) -> Tensor:
    """An elementwise function of several tensors, over the dims of all.

    Args:
      fn: of arrays that broadcast against each other.
      tensors: at least one.
      broadcast_all: whether none of them needs to have all of the dims; as the behaviour version says if None.
    """
    frame = common(tensors, broadcast_all=broadcast_all)
    data = fn(*(aligned(t, frame.dims) for t in tensors))
    return frame.like(data)


def similar(a: Dim, b: Dim, *, broadcast: bool | None = None) -> bool:
    """Whether an axis of `b` can stand for one of `a`: equal dims, or sizes that layers made and that agree."""
    if a is b or a == b:
        return True
    if a.is_batch or b.is_batch or a.special or b.special:
        return False
    m, n = a.root.size, b.root.size
    if broadcast is None:
        broadcast = not versions.at_least(versions.NO_MATCH_OF_SIZE_ONE)
    if broadcast and ((m == 1 and a.auto) or (n == 1 and b.auto)):
        return True
    if m is None or n is None or m != n:
        return False
    return (a.auto and b.auto) or not versions.at_least(versions.STRICT_DIMS)


def match(dims: Sequence[Dim], wanted: Sequence[Dim], **how: Any) -> list[int | None]:
    """For each of `wanted` the axis among `dims` that it stands for, each used once; equal dims first."""
    found: list[int | None] = [None] * len(wanted)
    taken: set[int] = set()
    for test in (lambda a, b: a is b, lambda a, b: a == b, _alike, lambda a, b: similar(a, b, **how)):
        for i, dim in enumerate(wanted):
            if found[i] is not None:
                continue
            fits = [j for j, other in enumerate(dims) if j not in taken and test(dim, other)]
            if fits:
                found[i] = max(fits, key=lambda j: (dims[j].match_priority, -j))
                taken.add(found[i])  # type: ignore[arg-type]
    return found


def _alike(a: Dim, b: Dim) -> bool:
    return a.kind == b.kind and similar(a, b, broadcast=False)


def aligned(x: Tensor, dims: Sequence[Dim]) -> jax.Array:
    """The array of `x` with one axis for each of `dims`: of size 1 where `x` lacks it.

    Raises:
      DimError: `x` has an axis that none of the dims stands for.
    """
    places = match(x.dims, dims)
    if len([p for p in places if p is not None]) != x.ndim:
        rest = [d for i, d in enumerate(x.dims) if i not in places]
        raise DimError(f"{x!r} has the axes {rest}, which are not among {list(dims)}")
    order = [p for p in places if p is not None]
    data = x.data if order == sorted(order) else jnp.transpose(x.data, order)
    if len(order) != len(dims):
        data = jnp.expand_dims(data, [i for i, p in enumerate(places) if p is None])
    return data


def common(tensors: Sequence[Tensor], *, ignore_feature: bool = False, broadcast_all: bool | None = None) -> Tensor:
    """A tensor without data that has the dims of all: those of the first largest one, the others added where they belong.

    Args:
      tensors: at least one.
      ignore_feature: whether feature dims count as one, whatever their sizes.
      broadcast_all: whether each tensor may lack a dim.

    Raises:
      DimError: each tensor lacks a dim, and that is not allowed.
    """
    largest = max(tensors, key=lambda t: t.ndim)
    frame = largest.like(None)
    if len(tensors) == 1:
        return frame
    for tensor in tensors:
        if tensor is largest:
            continue
        skip = {tensor.feature_axis} if ignore_feature and frame.feature_axis is not None else set()
        wanted = [(i, d) for i, d in enumerate(tensor.dims) if i not in skip]
        theirs = [d for i, d in enumerate(frame.dims) if not (ignore_feature and i == frame.feature_axis and skip)]
        for (i, dim), place in zip(wanted, match(theirs, [d for _, d in wanted]), strict=True):
            if place is None:
                frame = _insert(frame, dim, i == tensor.feature_axis)
            elif theirs[place].root.size == 1 and dim.root.size != 1:
                frame = frame.replace_dim(frame.dims.index(theirs[place]), dim)
    allowed = (
        broadcast_all if broadcast_all is not None else not versions.at_least(versions.NO_BROADCAST_OF_ALL_SOURCES)
    )
    if not allowed and all(t.ndim < frame.ndim for t in tensors):
        raise DimError(
            f"each of {list(tensors)} lacks a dim of {list(frame.dims)}: the result would be larger than any of them",
            ways=["give 'out_shape' with the dims that are meant", "'allow_broadcast_all_sources': True"],
        )
    return frame


def _insert(frame: Tensor, dim: Dim, as_feature: bool) -> Tensor:
    at = new_axis(frame, dim)
    time, feature = frame.time_axis, frame.feature_axis

    def shift(axis: int | None) -> int | None:
        return axis if axis is None or axis < at else axis + 1

    dims = (*frame.dims[:at], dim, *frame.dims[at:])
    moved = Tensor(None, dims, frame.sparse_dim, shift(time), shift(feature))
    if feature is None and not frame.sparse and (as_feature or dim.is_feature):
        moved = moved.as_feature(dim)
    if time is None and dim.is_dynamic and dim.is_spatial:
        moved = Tensor(None, dims, frame.sparse_dim, feature_axis=moved.feature_axis)
    return moved


def new_axis(frame: Tensor, dim: Dim) -> int:
    """Where a further dim goes: the batch first, features last, positions after the others of their kind."""
    if dim.is_batch:
        return 0
    if dim.is_feature and not frame.sparse:
        return frame.ndim if frame.feature_axis is None else frame.feature_axis + 1
    if dim.is_dynamic and frame.dynamic_axes:
        return frame.dynamic_axes[-1] + 1
    if frame.spatial_axes:
        return frame.spatial_axes[-1] + 1
    return frame.ndim if frame.feature_axis is None else frame.feature_axis
