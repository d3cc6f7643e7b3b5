"""Arithmetic on tensors: by dim, never by position."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import Party
from tenure.functional import softmax_of
from tenure.network import versions
from tenure.network.dims import Dim, DimError
from tenure.network.errors import DtypeError
from tenure.network.sizes import current
from tenure.network.tensor import Tensor

Fn = Callable[..., jax.Array]

_GUESSING: contextvars.ContextVar[bool] = contextvars.ContextVar("guessing", default=False)


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


def aligned(x: Tensor, dims: Sequence[Dim], *, full: bool = False) -> jax.Array:
    """The array of `x` with one axis for each of `dims`: of size 1 where `x` lacks it, unless `full`.

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
    if full:
        data = jnp.broadcast_to(
            data,
            tuple(
                current().padded(d) if p is None or x.shape[p] == 1 else x.shape[p]
                for d, p in zip(dims, places, strict=True)
            ),
        )
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


def mask(dim: Dim, dims: Sequence[Dim]) -> jax.Array | None:
    """Which entries of an axis of `dim` count, as an array that broadcasts to `dims`. None if all do."""
    lengths = current().lengths(dim)
    if lengths is None:
        return None
    axis = next(i for i, d in enumerate(dims) if d == dim)
    positions = jnp.arange(current().padded(dim)).reshape([-1 if i == axis else 1 for i in range(len(dims))])
    others = [d for d in lengths.dims if not any(d == e for e in dims)]
    if others:
        raise DimError(f"the lengths of {dim!r} go over {others}, which {list(dims)} lacks")
    return positions < aligned(lengths, dims)


def all_masks(dims: Sequence[Dim]) -> jax.Array | None:
    """Which entries count in all axes of an array with these dims, as an array that broadcasts to them. None if all do."""
    keeps = [keep for d in dims if (keep := mask(d, dims)) is not None]
    return functools.reduce(jnp.logical_and, keeps) if keeps else None


def masked(x: Tensor, dim: Dim, fill: Any) -> Tensor:
    """`x` with `fill` where an axis's entries do not count."""
    keep = mask(dim, x.dims)
    return x if keep is None else x.like(jnp.where(keep, x.data, jnp.asarray(fill, x.dtype)))


def _lowest(dtype: Any) -> Any:
    return jnp.finfo(dtype).min if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).min


def _highest(dtype: Any) -> Any:
    return jnp.finfo(dtype).max if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).max


_FILL: dict[str, Callable[[Any], Any]] = {
    "sum": lambda dtype: 0,
    "max": lambda dtype: False if dtype == jnp.bool_ else _lowest(dtype),
    "min": lambda dtype: True if dtype == jnp.bool_ else _highest(dtype),
    "mean": lambda dtype: 0,
    "logsumexp": _lowest,
    "prod": lambda dtype: 1,
    "any": lambda dtype: False,
    "all": lambda dtype: True,
    "argmax": _lowest,
    "argmin": _highest,
}
_REDUCE: dict[str, Fn] = {
    "sum": jnp.sum,
    "max": jnp.max,
    "min": jnp.min,
    "logsumexp": jax.scipy.special.logsumexp,
    "prod": jnp.prod,
    "any": jnp.any,
    "all": jnp.all,
    "argmax": jnp.argmax,
    "argmin": jnp.argmin,
}


def reduce(x: Tensor, axes: Iterable[int], mode: str, *, keep: bool = False, use_mask: bool = True) -> Tensor:
    """Reduces axes; entries beyond a dynamic dim's length do not count.

    Args:
      x: a tensor.
      axes: of `x`.
      mode: "sum", "max", "min", "mean", "logsumexp", "prod", "any", "all", "argmax" or "argmin" (these two: one axis).
      keep: keep the axes with size 1.
      use_mask: whether to leave out what does not count.
    """
    axes = sorted(axes)
    filled = x
    if use_mask:
        for axis in axes:
            filled = masked(filled, x.dims[axis], _FILL[mode](x.dtype))
    if mode == "mean":
        data = jnp.sum(filled.data, tuple(axes), keepdims=True) / count(x, axes, use_mask)
        data = data if keep else jnp.squeeze(data, tuple(axes))
    elif mode in ("argmax", "argmin"):
        data = _REDUCE[mode](filled.data, axes[0], keepdims=keep).astype(jnp.int32)
    else:
        data = _REDUCE[mode](filled.data, axis=tuple(axes), keepdims=keep)
    origin = [i if i not in axes or keep else None for i in range(x.ndim) if keep or i not in axes]
    if keep:
        dims = [_one(d) if i in axes else d for i, d in enumerate(x.dims)]
    else:
        dims = [d for i, d in enumerate(x.dims) if i not in axes]
    out = x.with_dims(data, dims, origin=origin)
    if mode in ("argmax", "argmin"):
        out = Tensor(out.data, out.dims, x.dims[axes[0]])
    return out


def _one(dim: Dim) -> Dim:
    """What is left of a dim that was reduced; one of the batch is a batch still, of size 1."""
    op = ("reduced", 1) if dim.is_batch else None
    return Dim(1, f"{dim.name}:1", kind=dim.kind, auto=True, op=op)


def count(x: Tensor, axes: Iterable[int], use_mask: bool = True) -> jax.Array:
    """How many entries count in these axes, at least 1, as a float array that broadcasts to `x`."""
    axes = tuple(axes)
    dtype = x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else jnp.float32
    total: jax.Array = jnp.ones([1] * x.ndim, dtype)
    keep: Any = None
    for axis in axes:
        found = mask(x.dims[axis], x.dims) if use_mask else None
        if found is not None:
            keep = found if keep is None else keep & found
    if keep is not None:
        total = jnp.sum(keep, axes, keepdims=True, dtype=dtype)
    for axis in axes:
        if keep is None or keep.shape[axis] == 1:
            total = total * x.shape[axis]
    return jnp.maximum(total, 1)


def softmax(x: Tensor, axes: Iterable[int], *, log: bool = False, use_mask: bool = True) -> Tensor:
    """Softmax, or its logarithm, over axes; what does not count has no probability."""
    axes = tuple(axes)
    if use_mask:
        for axis in axes:
            x = masked(x, x.dims[axis], -jnp.inf)
    return x.like(softmax_of(x.data, axes, log=log))


@contextlib.contextmanager
def guessing() -> Iterator[None]:
    """Within it, dtypes may differ: the form of some tensors is a guess, and is corrected by what comes out."""
    token = _GUESSING.set(True)
    try:
        yield
    finally:
        _GUESSING.reset(token)


def same_dtype(tensors: Sequence[Tensor]) -> None:
    """Nothing is converted unasked: what is added, compared or put side by side is of one dtype.

    Raises:
      DtypeError: it is not.
    """
    kinds = sorted({str(t.dtype) for t in tensors})
    if len(kinds) > 1 and not _GUESSING.get():
        raise DtypeError(
            f"its inputs are {' and '.join(kinds)}",
            parties=[Party("input", "", str(t)) for t in tensors],
            ways=[f"convert one:  {{'class': 'cast', 'dtype': '{kinds[0]}', 'from': …}}"],
        )


def concat_features(tensors: Sequence[Tensor], out: Dim | None = None, broadcast_all: bool | None = None) -> Tensor:
    """Tensors side by side in their feature dims, over the other dims of all.

    Raises:
      DimError: one of them has no feature dim.
      DtypeError: they have different dtypes.
    """
    if len(tensors) == 1:
        return tensors[0]
    for t in tensors:
        if t.sparse or t.feature_axis is None:
            raise DimError(f"{t!r} has no feature dim, in which it could be concatenated")
    same_dtype(tensors)
    frame = common(tensors, ignore_feature=True, broadcast_all=broadcast_all)
    total = out
    if total is None:
        total = tensors[0].feature_dim
        for t in tensors[1:]:
            total = total + t.feature_dim  # type: ignore[operator]
    assert frame.feature_axis is not None and total is not None
    parts = []
    for t in tensors:
        dims = frame.replace_dim(frame.feature_axis, t.feature_dim).dims  # type: ignore[arg-type]
        parts.append(aligned(t, dims))
    data = join(parts, frame.feature_axis)
    return frame.replace_dim(frame.feature_axis, total).like(data)


def join(arrays: Sequence[jax.Array], axis: int) -> jax.Array:
    """Arrays one after the other along an axis, broadcast to one shape in the others."""
    shape = jnp.broadcast_shapes(*((*a.shape[:axis], 1, *a.shape[axis + 1 :]) for a in arrays))
    full = [jnp.broadcast_to(a, (*shape[:axis], a.shape[axis], *shape[axis + 1 :])) for a in arrays]
    return jnp.concatenate(full, axis)
