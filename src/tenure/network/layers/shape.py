"""Layers that merge, split, add, remove and order axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax.export import is_symbolic_dim

from tenure.network import layout, sizes, versions
from tenure.network.dims import BATCH, FEATURE, SPATIAL, Dim, product
from tenure.network.layer import Layer, layer
from tenure.network.layers.reduce import has_integer
from tenure.network.tensor import Tensor, default_feature_axis


@layer("merge_dims", "combine_dims")
class MergeDims(Layer):
    """Several axes become one; the last of them is the fastest.

    Input [B, n, m, …], output [B, n * m, …]: each sequence's entries first, in the order of the axes.
    """

    def forward(self, source: Tensor, *, axes: Any, keep_order: bool | None = None) -> Tensor:
        ordered = versions.at_least(versions.MERGE_KEEPS_ORDER) if keep_order is None else keep_order
        if not ordered and versions.at_least(versions.MERGE_KEEPS_ORDER):
            raise self.error("keep_order", keep_order, "behaviour versions from 6 on keep the order")
        merged = self._merged(source, axes, ordered)
        if len(merged) <= 1:
            return source
        batch, feature = source.batch_axis, source.feature_axis
        target = min(merged)
        if feature in merged:
            target = feature - sum(a < feature for a in merged)
        if batch in merged and not ordered:
            merged = [batch, *(a for a in merged if a != batch)]
        return self._merge(source, merged, target)

    def _merged(self, x: Tensor, axes: Any, ordered: bool) -> list[int]:
        if not ordered:
            return sorted(self.axes(x, axes))
        if not isinstance(axes, (list, tuple)):
            raise self.error("axes", axes, "a list is needed, whose order is that of the merged axis", ["['T', 'F']"])
        found = []
        for one in axes:
            some = self.axes(x, one, allow_int=False)
            if len(some) > 1:
                raise self.error("axes", axes, f"{one!r} means several axes of {x!r}, in no order")
            found += some
        return found

    def _merge(self, x: Tensor, merged: list[int], target: int) -> Tensor:
        rest = [a for a in range(x.ndim) if a not in merged]
        order = [*rest[:target], *merged, *rest[target:]]
        y = x.transpose(order)
        dims = [x.dims[a] for a in merged]
        out = product(*dims)
        if x.batch_axis in merged:
            out = Dim(out.root.size, out.name, kind=BATCH, op=("mul", *dims))
        if self.node.get("out_dim") is not None:
            out.declare_same_as(self.node.get("out_dim"))
            out = self.node.get("out_dim")
        end = target + len(merged)
        shape = (*y.shape[:target], math.prod(y.shape[target:end]), *y.shape[end:])
        new = (*y.dims[:target], out, *y.dims[end:])
        sizes.current().of_shape(new, shape)
        time, feature = (_after_merge(a, merged, rest, target) for a in (x.time_axis, x.feature_axis))
        if feature == target and out.is_batch:
            feature = None
        if time is not None and time == target and (out.is_batch or time == feature):
            time = None if x.time_axis in merged and len(merged) > 1 else time
        data = y.data.reshape(shape)
        if not (out.is_batch or self.takes_padding_in):
            data = layout.merged(y.data, y.dims, target, len(merged))
        return Tensor(data, new, x.sparse_dim, time, feature)


def _after_merge(axis: int | None, merged: Sequence[int], rest: Sequence[int], target: int) -> int | None:
    if axis is None or axis in merged:
        return None if axis is None else target
    at = list(rest).index(axis)
    return at if at < target else at + 1


@layer("split_dims")
class SplitDims(Layer):
    """One axis becomes several; one of the sizes may be -1. A dynamic axis is padded to a multiple of the rest.

    Input [B, n, …], output [B, n1, n2, …, …], n = n1 * n2 * ….
    """

    def forward(
        self, source: Tensor, *, axis: Any, dims: Any, pad_to_multiples: bool | None = None, pad_value: Any = 0
    ) -> Tensor:
        x = source.batch_first() if has_integer(axis) else source
        at = self.axis(x, axis)
        old = x.dims[at]
        if not isinstance(dims, (list, tuple)) or not dims:
            raise self.error("dims", dims, "a tuple of sizes or dims is needed", ["'dims': (8, -1)"])
        pad = old.is_dynamic if pad_to_multiples is None else pad_to_multiples
        new, free = self._new_dims(x, at, list(dims), pad)
        known = sizes.current()
        fixed = math.prod(known.padded(d) for i, d in enumerate(new) if i != free)
        data, n = self.beyond(x, [at], self.entry("pad_value", pad_value, x.dtype)).data if pad else x.data, x.shape[at]
        if free is not None and pad and (is_symbolic_dim(n) or n % fixed):
            extra = -n % fixed
            data = sizes.lengthened(data, at, 0, extra, self.entry("pad_value", pad_value, data.dtype))
            n += extra
        shape = [known.padded(d) if i != free else n // fixed for i, d in enumerate(new)]
        if math.prod(shape) != n and known.planning and old.is_dynamic:
            data, n = (
                jnp.zeros((*data.shape[:at], math.prod(shape), *data.shape[at + 1 :]), data.dtype),
                math.prod(shape),
            )
        if not is_symbolic_dim(n) and math.prod(shape) != n:
            raise self.error("dims", dims, f"{n} entries of {old!r} are not {' x '.join(map(str, shape))}")
        every = (*x.dims[:at], *new, *x.dims[at + 1 :])
        plain = (*data.shape[:at], *shape, *data.shape[at + 1 :])
        whole = self.takes_padding_in or old.is_batch or n != x.shape[at]
        return Tensor(
            data.reshape(plain) if whole else layout.split(data, every, at, len(new)),
            every,
            x.sparse_dim,
            self._moved(x.time_axis, at, new, free, SPATIAL),
            self._moved_feature(x.feature_axis, at, new),
        )

    def _new_dims(self, x: Tensor, at: int, dims: list[Any], pad: bool) -> tuple[list[Dim], int | None]:
        """The new dims, and which of them is what remains."""
        old = x.dims[at]
        free = [i for i, d in enumerate(dims) if (isinstance(d, int) and d < 0) or (isinstance(d, Dim) and d == old)]
        if not free and isinstance(dims[0], Dim):
            free = [i for i, d in enumerate(dims) if d.root.size is None and not sizes.current().knows(d)]
            free = free or [i for i, d in enumerate(dims) if d.is_dynamic or d.is_batch]
            if len(free) > 1:
                return dims, None
        if len(free) > 1:
            raise self.error("dims", dims, "more than one of them is left open")
        fixed = math.prod(_size(d) for i, d in enumerate(dims) if i not in free)
        if not free:
            return [d if isinstance(d, Dim) else self._dim(i, d, old) for i, d in enumerate(dims)], None
        place = free[0]
        rest = self._rest(old, fixed, pad, place, dims)
        if isinstance(dims[place], Dim):
            rest.declare_same_as(dims[place])
            rest = dims[place]
        new = [d if isinstance(d, Dim) else self._dim(i, d, old) for i, d in enumerate(dims)]
        new[place] = rest
        return new, place

    def _rest(self, old: Dim, fixed: int, pad: bool, place: int, dims: Any) -> Dim:
        if fixed == 1:
            return old
        size = old.root.size
        if size is None:
            return old.ceildiv(fixed)
        if size % fixed and not pad:
            raise self.error("dims", dims, f"the size {size} of {old!r} cannot be divided by {fixed}")
        return self._dim(place, -(-size // fixed), old)

    def _dim(self, i: int, size: Any, old: Dim) -> Dim:
        if isinstance(size, bool) or not isinstance(size, int) or size == 0:
            raise self.error("dims", self.node.get("dims"), "each must be a positive size, a dim, or -1")
        name = f"{self.node.name}_split_dims{i}"
        return self.new_dim(f"split_dims{i}", size, SPATIAL if old.is_batch else old.kind, name=name)

    @staticmethod
    def _moved(axis: int | None, at: int, new: Sequence[Dim], free: int | None, kind: str) -> int | None:
        if axis is None or axis < at:
            return axis
        if axis > at:
            return axis + len(new) - 1
        if free is not None:
            return at + free
        fits = [i for i, d in enumerate(new) if d.kind == kind]
        return at + (fits[0] if fits else 0)

    @staticmethod
    def _moved_feature(axis: int | None, at: int, new: Sequence[Dim]) -> int | None:
        if axis is None or axis < at:
            return axis
        if axis > at:
            return axis + len(new) - 1
        fits = [i for i, d in enumerate(new) if d.kind == FEATURE]
        return at + (fits[-1] if fits else len(new) - 1)


def _size(dim: Any) -> int:
    if isinstance(dim, Dim):
        return sizes.current().padded(dim)
    return int(dim)


def without_axes(x: Tensor, axes: Sequence[int], data: Any) -> Tensor:
    """`data`, which has not these axes of `x` any more."""
    rest = [i for i in range(x.ndim) if i not in axes]
    return x.with_dims(data, [x.dims[i] for i in rest], origin=rest)


@layer("squeeze")
class Squeeze(Layer):
    """Removes axes of size 1.

    Input [B, 1, …], output [B, …].
    """

    def forward(
        self, source: Tensor, *, axis: Any, enforce_batch_dim_axis: int | None = None, allow_no_op: bool = False
    ) -> Tensor:
        x = source
        if enforce_batch_dim_axis is not None and x.batch_axis is not None:
            x = x.move_axis(x.batch_axis, enforce_batch_dim_axis)
        elif has_integer(axis):
            x = x.batch_first()
        axes = [i for i, n in enumerate(x.shape) if n == 1] if axis == "auto" else self.axes(x, axis)
        if not axes and not allow_no_op and axis != "auto":
            raise self.error("axis", axis, f"{x!r} has no such axis", ["'allow_no_op': True"])
        if sizes.current().planning:  # how long sequences are is not known yet
            index = tuple(slice(0, 1) if i in axes and d.is_dynamic else slice(None) for i, d in enumerate(x.dims))
            x = x.like(x.data[index])
        wrong = [x.dims[i] for i in axes if x.dims[i].root.size not in (1, None) or x.shape[i] != 1]
        if wrong:
            raise self.error("axis", axis, f"the size of {wrong[0]!r} is not 1")
        return without_axes(x, axes, jnp.squeeze(x.data, tuple(axes)))


@layer("expand_dims")
class ExpandDims(Layer):
    """Adds an axis, along which the values are the same.

    Input [B, …], output [B, …, dim, …].
    """

    def forward(self, source: Tensor, *, axis: Any, dim: Any = 1) -> Tensor:
        x = source.batch_first() if isinstance(axis, int) else source
        at = self._place(x, axis)
        if not isinstance(dim, Dim):
            feature = str(axis).lower() in ("f", "feature") if isinstance(axis, str) else x.feature_axis == axis
            kind = FEATURE if feature else SPATIAL
            dim = self.new_dim("expand_dims", int(dim), kind, name=f"{self.node.name}_expand_dims")
        dims = (*x.dims[:at], dim, *x.dims[at:])
        shape = (*x.shape[:at], sizes.current().padded(dim), *x.shape[at:])
        data = jnp.broadcast_to(jnp.expand_dims(x.data, at), shape)
        time, feature_axis = (a if a is None or a < at else a + 1 for a in (x.time_axis, x.feature_axis))
        if not x.sparse and x.feature_axis == default_feature_axis(x.dims, x.time_axis):
            feature_axis = default_feature_axis(dims, time)
        if time is None and isinstance(axis, str) and axis.lower() in ("spatial", "time", "t"):
            time = at
        if time is None and dim.is_dynamic:
            time = at
        return Tensor(data, dims, x.sparse_dim, time, feature_axis)

    def _place(self, x: Tensor, axis: Any) -> int:
        if not x.dims:
            return 0
        if isinstance(axis, int) and not isinstance(axis, bool):
            if not -x.ndim - 1 <= axis <= x.ndim:
                raise self.error("axis", axis, f"{x!r} has {x.ndim} axes")
            return axis % (x.ndim + 1)
        word = axis.lower() if isinstance(axis, str) else ""
        if word in ("f", "feature"):
            return x.ndim if x.feature_axis is None else x.feature_axis + 1
        if word in ("spatial", "time", "t"):
            return x.ndim if x.sparse else x.ndim - 1
        raise self.error("axis", axis, "'F' or 'spatial' is needed")


@layer("swap_axes")
class SwapAxes(Layer):
    """Two axes change places.

    Input [B, n, m, …], output [B, m, n, …].
    """

    def forward(self, source: Tensor, *, axis1: Any, axis2: Any) -> Tensor:
        a, b = self.axis(source, axis1), self.axis(source, axis2)
        if a == b:
            raise self.error("axis2", axis2, "it is the same axis as 'axis1'")
        order = list(range(source.ndim))
        order[a], order[b] = b, a
        return source.reorder(order)


@layer("transpose")
class Transpose(Layer):
    """The axes in another order: a list, or {place: axis} for some of them.

    Input of any axes, output the same axes in another order.
    """

    def forward(self, source: Tensor, *, perm: Any) -> Tensor:
        return permuted(self, source, perm, "perm")


def permuted(layer: Layer, x: Tensor, perm: Any, option: str) -> Tensor:
    """The axes in the order that a list, or a dict {place: axis} for some of them, says."""
    if isinstance(perm, (list, tuple)):
        perm = dict(enumerate(perm))
    if not isinstance(perm, dict):
        raise layer.error(option, perm, "a list of axes, or a dict, is needed")
    chosen = {layer.axis(x, a, allow_int=True): layer.axis(x, b, allow_int=True) for a, b in perm.items()}
    rest = iter(i for i in range(x.ndim) if i not in chosen.values())
    order = [chosen[i] if i in chosen else next(rest, -1) for i in range(x.ndim)]
    if sorted(order) != list(range(x.ndim)):
        raise layer.error(option, perm, f"it is no order of the axes of {x!r}")
    return x.reorder(order)
