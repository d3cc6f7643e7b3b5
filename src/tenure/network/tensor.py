"""Tensors: an array whose axes are dims."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network.dims import Dim, DimError


class _Auto:
    def __repr__(self) -> str:
        return "AUTO"


AUTO: Any = _Auto()
"""The time and feature axes that the dims suggest."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tensor:
    """An array, and for each of its axes a dim.

    Attributes:
      data: the array; while planning, a placeholder.
      dims: one for each axis.
      sparse_dim: what the entries index, if they are indices.
      time_axis, feature_axis: the axes that layers mean by "T" and "F", or None.
      lengths: of dynamic dims, for tensors outside of a network (`sizes` knows them inside).

    >>> from tenure.network.dims import batch_dim, feature_dim, spatial_dim
    >>> x = Tensor(jnp.ones((2, 3, 4)), (batch_dim(), spatial_dim("time"), feature_dim(4)))
    >>> x, x.time_axis, x.feature_axis
    (Tensor[batch, time, feature(4)] float32, 1, 2)
    """

    data: Any
    dims: tuple[Dim, ...]
    sparse_dim: Dim | None = None
    time_axis: int | None = AUTO
    feature_axis: int | None = AUTO
    lengths: Mapping[Dim, Tensor] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "dims", tuple(self.dims))
        if hasattr(self.data, "shape") and len(self.data.shape) != len(self.dims):
            raise DimError(f"an array of shape {tuple(self.data.shape)} has not the dims {list(self.dims)}")
        if self.time_axis is AUTO:
            put(self, "time_axis", default_time_axis(self.dims))
        if self.feature_axis is AUTO:
            put(self, "feature_axis", None if self.sparse else default_feature_axis(self.dims, self.time_axis))

    def __repr__(self) -> str:
        sparse = f" of {self.sparse_dim}" if self.sparse else ""
        return f"Tensor[{', '.join(map(repr, self.dims))}] {self.dtype}{sparse}"

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @property
    def dtype(self) -> Any:
        return getattr(self.data, "dtype", None)

    @property
    def ndim(self) -> int:
        return len(self.dims)

    @property
    def sparse(self) -> bool:
        """Whether the entries are indices into `sparse_dim`."""
        return self.sparse_dim is not None

    @property
    def batch_axis(self) -> int | None:
        return next((i for i, d in enumerate(self.dims) if d.is_batch), None)

    @property
    def batch_dim(self) -> Dim | None:
        return None if self.batch_axis is None else self.dims[self.batch_axis]

    @property
    def beam_dim(self) -> Dim | None:
        """The dim of a search's hypotheses, if the tensor has one."""
        return next((d for d in self.dims if d.is_beam), None)

    @property
    def time_dim(self) -> Dim | None:
        return None if self.time_axis is None else self.dims[self.time_axis]

    @property
    def feature_dim(self) -> Dim | None:
        return None if self.feature_axis is None else self.dims[self.feature_axis]

    @property
    def feature_or_sparse_dim(self) -> Dim | None:
        return self.sparse_dim if self.sparse else self.feature_dim

    @property
    def spatial_axes(self) -> list[int]:
        """All axes but the batch and the feature axis."""
        return [
            i for i in range(self.ndim) if i not in (self.batch_axis, self.feature_axis) and not self.dims[i].is_beam
        ]

    @property
    def dynamic_axes(self) -> list[int]:
        return [i for i, d in enumerate(self.dims) if d.is_dynamic]

    @property
    def static_axes(self) -> list[int]:
        return [i for i, d in enumerate(self.dims) if not d.is_dynamic and not d.is_batch and not d.is_beam]

    def axis(self, dim: Dim) -> int:
        """The axis of a dim.

        Raises:
          DimError: there is none, or there are several that none of them is meant more than the others.
        """
        found = [i for i, d in enumerate(self.dims) if d == dim]
        if len(found) > 1:
            best = max(self.dims[i].match_priority for i in found)
            found = [i for i in found if self.dims[i].match_priority == best]
            exact = [i for i in found if self.dims[i] is dim]
            found = exact if len(exact) == 1 else found
        if len(found) != 1:
            raise DimError(f"{self!r} has {'no axis' if not found else 'several axes'} of {dim!r}")
        return found[0]

    def has(self, dim: Dim) -> bool:
        """Whether one of the axes is of that dim."""
        return any(d == dim for d in self.dims)

    def like(self, data: Any, **changes: Any) -> Tensor:
        """The same axes over another array.

        Args:
          data: the array, of the same shape.
          **changes: other attributes.
        """
        return dataclasses.replace(self, data=data, **changes)

    def with_dims(self, data: Any, dims: Sequence[Dim], sparse_dim: Dim | None = AUTO, origin: Any = None) -> Tensor:
        """Another array whose dims are `dims`; time and feature stay where their dims still are.

        Args:
          data: the array.
          dims: its dims.
          sparse_dim: as this tensor's if not given.
          origin: for each new axis the axis of this tensor that it was, or None; found by dim if not given.
        """
        if origin is None:
            origin = [next((j for j, old in enumerate(self.dims) if old is d), None) for d in dims]
            origin = [
                o if o is not None else next((j for j, old in enumerate(self.dims) if old == d), None)
                for o, d in zip(origin, dims, strict=True)
            ]
        sparse = self.sparse_dim if sparse_dim is AUTO else sparse_dim
        new = Tensor(data, tuple(dims), sparse)
        time = _moved(self.time_axis, origin, new.time_axis)
        feature = None if sparse is not None else _moved(self.feature_axis, origin, new.feature_axis)
        return dataclasses.replace(new, time_axis=time, feature_axis=feature)

    def replace_dim(self, axis: int, dim: Dim) -> Tensor:
        """The same array, another dim for one axis.

        Args:
          axis: its place.
          dim: that the axis is to have.
        """
        dims = (*self.dims[:axis], dim, *self.dims[axis + 1 :])
        return dataclasses.replace(self, dims=dims)

    def as_feature(self, dim: Dim | None) -> Tensor:
        """The same tensor, with `dim` as what "F" means."""
        return dataclasses.replace(self, feature_axis=None if dim is None else self.axis(dim))

    def reorder(self, order: Sequence[int]) -> Tensor:
        """The axes in another order, where the feature axis is again the one that the order suggests, if it was so."""
        new = self.transpose(order)
        if self.sparse or self.feature_axis != default_feature_axis(self.dims, self.time_axis):
            return new
        return dataclasses.replace(new, feature_axis=default_feature_axis(new.dims, new.time_axis))

    def transpose(self, order: Sequence[int]) -> Tensor:
        """The axes in another order; the time and feature axes go with their dims."""
        order = list(order)
        if order == list(range(self.ndim)):
            return self
        place = {old: new for new, old in enumerate(order)}
        return dataclasses.replace(
            self,
            data=jnp.transpose(self.data, order),
            dims=tuple(self.dims[i] for i in order),
            time_axis=None if self.time_axis is None else place[self.time_axis],
            feature_axis=None if self.feature_axis is None else place[self.feature_axis],
        )

    def move_axis(self, source: int, to: int) -> Tensor:
        """One axis to another place.

        Args:
          source: the axis's place now.
          to: its place among the axes of the result.
        """
        order = [i for i in range(self.ndim) if i != source]
        order.insert(to % self.ndim, source)
        return self.transpose(order)

    def without(self, axis: int) -> Tensor:
        """The dims of one slice along an axis; the array stays as it is, and is replaced by the caller."""

        def shift(at: int | None) -> int | None:
            return None if at is None or at == axis else at - (at > axis)

        dims = (*self.dims[:axis], *self.dims[axis + 1 :])
        time = AUTO if self.time_axis == axis else shift(self.time_axis)
        return Tensor(None, dims, self.sparse_dim, time, shift(self.feature_axis))

    def stacked(self, dim: Dim, data: Any, as_time: bool = False) -> Tensor:
        """Slices like this one along a new first axis.

        Args:
          dim: of the new axis.
          data: the array with that axis.
          as_time: whether the new axis is what "T" means from here on. A time that somebody chose stays what it is, as no
            slice could find it again.
        """
        as_time = as_time and self.time_axis in (None, default_time_axis(self.dims))
        time = None if self.time_axis is None else self.time_axis + 1
        feature = None if self.feature_axis is None else self.feature_axis + 1
        return Tensor(data, (dim, *self.dims), self.sparse_dim, 0 if as_time else time, feature)

    def feature_last(self) -> Tensor:
        """The feature axis at the end."""
        return self if self.feature_axis in (None, self.ndim - 1) else self.move_axis(self.feature_axis, -1)

    def batch_first(self) -> Tensor:
        """The batch axis at the front."""
        return self if self.batch_axis in (None, 0) else self.move_axis(self.batch_axis, 0)


def _moved(axis: int | None, origin: Sequence[int | None], default: int | None) -> int | None:
    if axis is None:
        return default
    return origin.index(axis) if axis in origin else default


def default_time_axis(dims: Sequence[Dim]) -> int | None:
    """The first dynamic axis, one of positions if there is any."""
    dynamic = [i for i, d in enumerate(dims) if d.is_dynamic]
    spatial = [i for i in dynamic if dims[i].is_spatial]
    return next(iter(spatial or dynamic), None)


def default_feature_axis(dims: Sequence[Dim], time: int | None) -> int | None:
    """The last axis with a size of its own that is neither batch nor time; the last other one if there is none.

    Args:
      dims: of the tensor.
      time_axis: the place of its time, or None.
    """
    rest = [i for i, d in enumerate(dims) if not d.is_batch and not d.is_beam and i != time]
    static = [i for i in rest if not dims[i].is_dynamic]
    return next(iter((static or rest)[::-1]), None)


def _flatten(tensor: Tensor) -> tuple[tuple[Any, ...], Any]:
    lengths = tuple(tensor.lengths.values())
    meta = (tensor.dims, tensor.sparse_dim, tensor.time_axis, tensor.feature_axis, tuple(tensor.lengths))
    return (tensor.data, lengths), meta


def _unflatten(meta: Any, children: Any) -> Tensor:
    tensor = object.__new__(Tensor)
    put = object.__setattr__
    data, lengths = children
    for name, value in zip(("dims", "sparse_dim", "time_axis", "feature_axis"), meta[:4], strict=True):
        put(tensor, name, value)
    put(tensor, "data", data)
    put(tensor, "lengths", dict(zip(meta[4], lengths, strict=True)))
    return tensor


jax.tree_util.register_pytree_node(Tensor, _flatten, _unflatten)
