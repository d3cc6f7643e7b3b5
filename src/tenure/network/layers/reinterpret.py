"""Layers that change what the axes or entries of a tensor mean, not the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.export import is_symbolic_dim

from tenure.core.run.naming import transparent
from tenure.network import sizes
from tenure.network.dims import FEATURE, Dim
from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import Tensor

_MARKS = {"B": "batch", "T": "time", "F": "feature"}


@layer("reinterpret_data")
class Reinterpret(Layer):
    """The same numbers under other dims, or with other axes as time and features.

    Input of any axes, output the same axes, other dims.
    """

    @property
    @transparent
    def over_all_steps(self) -> bool:
        """Whether its frames become the steps of the loop, as `size_base` has them and the input does not."""
        time, base = self.run.loop_time, self.node.refs.get("size_base")
        if time is None or base is None:
            return False
        return self.given(base).tensor.has(time) and not self.given(self.node.sources[0]).tensor.has(time)

    def forward(
        self,
        source: Tensor,
        *,
        switch_axes: Any = None,
        size_base: Tensor | None = None,
        batch_dim_base: Tensor | None = None,
        set_axes: Any = None,
        set_dim_tags: Any = None,
        enforce_batch_major: bool = False,
        enforce_time_major: bool = False,
        set_sparse: bool | None = None,
        set_sparse_dim: Any = "unset",
        increase_sparse_dim: int | None = None,
    ) -> Output:
        x = source
        if enforce_batch_major:
            x = x.batch_first()
        if enforce_time_major:
            if x.time_axis is None:
                raise self.error("enforce_time_major", True, f"{source!r} has no time axis")
            x = x.move_axis(x.time_axis, 0)
        if switch_axes:
            x = self._switched(x, switch_axes)
        for mark, what in sorted((set_axes or {}).items()):
            x = self._marked(x, mark, None if what is None else self.axis(x, what, allow_int=True))
        if size_base is not None:
            x = self._with_sizes_of(x, size_base)
        for what, dim in _items(set_dim_tags):
            x = self._renamed(x, self.axis(x, what), dim)
        x = self._sparse(x, set_sparse, set_sparse_dim)
        if increase_sparse_dim:
            if x.sparse_dim is None:
                raise self.error("increase_sparse_dim", increase_sparse_dim, f"{x!r} holds no indices")
            x = x.like(x.data, sparse_dim=x.sparse_dim + increase_sparse_dim)
        if batch_dim_base is not None and x.batch_axis is not None and batch_dim_base.batch_dim is not None:
            x = x.replace_dim(x.batch_axis, batch_dim_base.batch_dim)
        return self.handed_on(x)

    def _marked(self, x: Tensor, mark: str, axis: int | None) -> Tensor:
        what = _MARKS.get(str(mark).upper(), str(mark).removesuffix("_dim_axis"))
        if what == "time":
            return x.like(x.data, time_axis=axis)
        if what == "feature":
            return x.like(x.data, feature_axis=axis)
        if what == "batch":
            return x  # which axis that is says its dim
        raise self.error("set_axes", self.node.get("set_axes"), f"{mark!r} is none of 'B', 'T', 'F'")

    def _switched(self, x: Tensor, marks: Any) -> Tensor:
        a, b = (_MARKS.get(str(m).upper(), str(m).removesuffix("_dim_axis")) for m in marks)
        at = {"batch": x.batch_axis, "time": x.time_axis, "feature": x.feature_axis}
        y = x
        for mark, axis in ((a, at[b]), (b, at[a])):
            y = self._marked(y, mark, axis)
        if "batch" in (a, b):
            i, j = at[a], at[b]
            if i is None or j is None:
                raise self.error("switch_axes", marks, f"{x!r} has not both axes")
            dims = list(y.dims)
            dims[i], dims[j] = dims[j], dims[i]
            y = y.like(y.data, dims=tuple(dims))
        return y

    def _with_sizes_of(self, x: Tensor, base: Tensor) -> Tensor:
        """`x` whose dynamic dims are those of another tensor, in their order."""
        for mine, theirs in zip(x.dynamic_axes, base.dynamic_axes, strict=False):
            n, wanted = x.shape[mine], base.shape[theirs]
            made_up = sizes.current().planning and not is_symbolic_dim(n) and not is_symbolic_dim(wanted)
            if made_up and n != wanted:  # nothing but the dictionary says that they are one
                data = jax.lax.slice_in_dim(x.data, 0, min(n, wanted), axis=mine)
                x = x.like(sizes.lengthened(data, mine, 0, max(0, wanted - n)), dims=x.dims)
            x = x.replace_dim(mine, base.dims[theirs])
        return x

    def _renamed(self, x: Tensor, axis: int, dim: Any) -> Tensor:
        if not isinstance(dim, Dim):
            raise self.error("set_dim_tags", self.node.get("set_dim_tags"), "dims are needed")
        old, known = x.dims[axis], sizes.current()
        if dim.root.size is not None and dim.root.size != x.shape[axis]:
            raise self.error("set_dim_tags", self.node.get("set_dim_tags"), f"{old!r} has {x.shape[axis]} entries")
        if dim.root.size is None and not dim.is_batch:
            if old.root.size is not None:
                dim.size = dim.root.size = old.root.size
            elif not known.knows(dim):
                known.declare(dim.root, x.shape[axis], known.lengths(old))
        return x.replace_dim(axis, dim)

    def _sparse(self, x: Tensor, sparse: bool | None, dim: Any) -> Tensor:
        given = dim if not (isinstance(dim, str) and dim == "unset") else None
        if sparse is False:
            return Tensor(x.data, x.dims, None, x.time_axis)
        if given is None and not (sparse and not x.sparse):
            return x
        if not isinstance(given, Dim):
            size = given if given is not None else x.feature_dim.root.size if x.feature_dim else None
            if x.sparse_dim is not None and x.sparse_dim.root.size == size:
                return x
            given = self.new_dim("set-sparse-dim", size, FEATURE)
        if not sparse and not x.sparse:
            raise self.error("set_sparse_dim", self.node.get("set_sparse_dim"), f"{x!r} holds no indices")
        return Tensor(x.data, x.dims, given, x.time_axis, None)


def _items(tags: Any) -> list[tuple[Any, Any]]:
    if not tags:
        return []
    return list(tags.items()) if isinstance(tags, Mapping) else list(tags)


@layer("cast")
class Cast(Layer):
    """The same values in another dtype.

    Input of any axes, output the same axes.
    """

    def forward(self, source: Tensor, *, dtype: str) -> Tensor:
        try:
            kind = jnp.dtype(dtype)
        except TypeError:
            raise self.error("dtype", dtype, "there is no such dtype", ["'float32', 'int32', 'bool'"]) from None
        dense = jnp.issubdtype(kind, jnp.inexact)
        sparse_dim = None if dense else source.sparse_dim
        return source.like(source.data.astype(kind), sparse_dim=sparse_dim)


@layer("elemwise_prod")
class ElementwiseProduct(Layer):
    """The product with a parameter over some axes, the same in all others. Parameter: `W`.

    Input [B, …, F], output the same axes; `W` has those in `axes`.
    """

    def forward(self, source: Tensor, *, axes: Any, size: Any = None) -> Tensor:
        own = sorted(self.axes(source, axes))
        shape = [source.dims[a].root.size for a in own]
        if size is not None and list(size) != shape:
            raise self.error("size", size, f"the axes have the sizes {shape}")
        w = self.param("W", [source.dims[a] for a in own], 1.0)
        return source.like(source.data * w.reshape([n if i in own else 1 for i, n in enumerate(source.shape)]))
