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
from tenure.network import broadcasting as _by_dim
from tenure.network.dims import Dim, DimError
from tenure.network.errors import DtypeError
from tenure.network.sizes import current
from tenure.network.tensor import Tensor

Fn = _by_dim.Fn
aligned, common, new_axis = _by_dim.aligned, _by_dim.common, _by_dim.new_axis
map1, map2, mapn = _by_dim.map1, _by_dim.map2, _by_dim.mapn
match, similar = _by_dim.match, _by_dim.similar

_GUESSING: contextvars.ContextVar[bool] = contextvars.ContextVar("guessing", default=False)


def mask(dim: Dim, dims: Sequence[Dim]) -> jax.Array | None:
    """Which entries of an axis of `dim` count, as an array that broadcasts to `dims`. None if all do.

    Args:
      dim: whose entries are asked for.
      dims: the axes of the array that the mask is for.

    Raises:
      DimError: `dims` lacks the dim, or a dim that its lengths go over.
    """
    lengths = current().lengths(dim)
    if dim.root.is_plain_batch and current().rows is not None:
        lengths = Tensor(current().rows, ())
    if lengths is None:
        return None
    axis = next((i for i, d in enumerate(dims) if d == dim), None)
    if axis is None:
        raise DimError(f"there is no axis of {dim!r} among {list(dims)}")
    shape = [current().padded(dim) if i == axis else 1 for i in range(len(dims))]
    positions = jax.lax.broadcasted_iota(jnp.int32, shape, axis)
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
    if mode in ("max", "min", "argmax", "argmin") and not all(x.shape[a] for a in axes if isinstance(x.shape[a], int)):
        one = tuple((0, 1, 0) if i in axes and n == 0 else (0, 0, 0) for i, n in enumerate(x.shape))
        filled = x.like(jax.lax.pad(filled.data, jnp.asarray(_FILL[mode](x.dtype), x.dtype), one))
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
