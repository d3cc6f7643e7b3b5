"""Layers that count: ranges, running sums, positions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.export import is_symbolic_dim

from tenure.network import ops, sizes
from tenure.network.dims import Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import dynamic, made
from tenure.network.layers.spatial_softmax import windows
from tenure.network.layers.stepwise import kept, over_steps
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("range")
class Range(Layer):
    """Numbers from `start` to before `limit`.

    No input, output [(limit - start) / delta].
    """

    def forward(
        self,
        *,
        limit: Any,
        start: Any = 0,
        delta: Any = 1,
        dtype: str | None = None,
        sparse: bool = False,
        out_spatial_dim: Dim | None = None,
    ) -> Tensor:
        numbers = (start, limit, delta)
        if any(isinstance(n, bool) or not isinstance(n, int) for n in numbers) or not delta:
            raise self.error("limit", limit, "start, limit and delta must be whole numbers, and delta not 0")
        if abs(limit - start) / abs(delta) > 2**26:
            raise self.error("limit", limit, "the range is absurdly long")
        data = jnp.asarray(np.arange(*numbers), dtype or "int32")
        dim = made(self, "{}:range", len(data), out_spatial_dim)
        return Tensor(data, (dim,), made(self, "{}:range-indices", None) if sparse else None)


@layer("range_in_axis")
class RangeInAxis(Layer):
    """The positions of an axis, 0, 1, 2, …

    Input [B, T, …], output [T].
    """

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        axis: Any,
        dtype: str = "int32",
        unbroadcast: bool = False,
        keepdims: bool = False,
        sparse: bool = False,
    ) -> Tensor:
        for option, value in (("unbroadcast", unbroadcast), ("keepdims", keepdims)):
            if value:
                raise self.error(option, value, "axes of other dims are never added", ["remove it"])
        dim = self._dim(sources, axis)
        data = jnp.arange(sizes.current().padded(dim), dtype=dtype)
        return Tensor(data, (dim,), dim if sparse else None)

    def _dim(self, sources: Sequence[Tensor], axis: Any) -> Dim:
        if isinstance(axis, Dim):
            return next((d for x in sources for d in x.dims if d == axis), axis)
        if len(sources) != 1:
            raise self.error("from", self.node.get("from"), "one input is needed, whose axis is meant")
        if axis == "sparse_dim":
            if sources[0].sparse_dim is None:
                raise self.error("axis", axis, f"{sources[0]!r} holds no indices")
            return sources[0].sparse_dim
        return sources[0].dims[self.axis(sources[0], axis)]


@layer("range_from_length")
class RangeFromLength(Layer):
    """The positions 0, 1, 2, … of a dim that has these lengths.

    Input [B], output [T], T as long as the longest.
    """

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        dtype: str = "int32",
        sparse: bool = False,
        out_spatial_dim: Dim | None = None,
    ) -> Tensor:
        if len(sources) != 1 or not jnp.issubdtype(sources[0].dtype, jnp.integer):
            raise self.error("from", self.node.get("from"), "one input of whole numbers is needed")
        lengths, known = sources[0], sizes.current()
        dim = known.dim_of(lengths)
        whole = self.given(self.node.sources[0]).extra
        if dim is None and isinstance(whole, Dim):  # the number of sequences
            dim = whole
        if dim is None:
            dim = dynamic(self, "{}_input_len", lengths, out_spatial_dim)
        elif out_spatial_dim is not None:
            dim.declare_same_as(out_spatial_dim)
        data = jnp.arange(known.padded(dim), dtype=dtype)
        return Tensor(data, (dim,), dim if sparse else None)


@layer("cumsum")
class CumSum(Layer):
    """Running sums along an axis.

    Input [B, T, …], output the same axes; in a loop [B, …] in each step.
    """

    stepwise = True

    def forward(
        self,
        source: Tensor,
        *,
        axis: Any = "T",
        additional_left_summand_per_element: Any = None,
        reverse: bool = False,
    ) -> Output:
        x = source.data
        if additional_left_summand_per_element is not None:
            x = x + additional_left_summand_per_element
        if over_steps(self, source, axis):
            if reverse:
                raise self.error("reverse", reverse, "in a loop, what comes later is not known")
            before = kept(self, "state")
            start = self._start(source) if before is None else ops.aligned(before, source.dims)
            total = source.like((x + start).astype(source.dtype))
            return Output(total, state={"state": total})
        at = self.axis(source, axis)
        if reverse:
            x = self.beyond(source.like(x), [at], 0).data
        y = jnp.flip(jnp.cumsum(jnp.flip(x, at), axis=at), at) if reverse else jnp.cumsum(x, axis=at)
        return Output(source.like((y + self._start(source)).astype(source.dtype)))

    def first_state(self, form: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {k: x.like(jnp.broadcast_to(jnp.asarray(self._start(x), x.dtype), x.shape)) for k, x in form.items()}

    def _start(self, source: Tensor) -> Any:
        """What the sums start from."""
        start = self.node.refs.get("initial_output", self.node.get("initial_output"))
        if isinstance(start, (int, float)) and not isinstance(start, bool):
            return start
        if start in (None, "zeros", "ones"):
            return 1 if start == "ones" else 0
        return ops.aligned(self.fill(start), source.dims)


@layer("seq_len_mask")
class SeqLenMask(Layer):
    """The input with a value where its sequences have ended.

    Input [B, T, …], output the same axes.
    """

    def forward(
        self,
        source: Tensor,
        *,
        mask_value: float,
        axis: Any = "T",
        seq_len_source: Tensor | None = None,
        start: Tensor | None = None,
        window_start: Tensor | None = None,
        window_size: Any = None,
    ) -> Tensor:
        at = self.axis(source, axis)
        dim = source.dims[at]
        positions = Tensor(jnp.arange(source.shape[at]), (dim,))
        lengths = self._lengths(dim, seq_len_source)
        x = source
        keeps = windows(positions, start, window_start, window_size)
        if lengths is not None:
            keeps.append(ops.mapn(jnp.less, [positions, lengths], broadcast_all=True))
        for keep in keeps:
            x = x.like(jnp.where(ops.aligned(keep, x.dims), x.data, jnp.asarray(mask_value, x.dtype)))
        return x

    def _lengths(self, dim: Dim, given: Tensor | None) -> Tensor | None:
        if given is None:
            return sizes.current().lengths(dim)
        if given.time_dim is None:
            raise self.error("seq_len_source", self.node.get("seq_len_source"), f"{given!r} has no time dim")
        return sizes.current().lengths(given.time_dim)


@layer("top_k")
class TopK(Layer):
    """The largest entries along an axis, or several, as one last axis. `x/indices` (or `x/indices0`, …) say where they are.

    Input [B, …, n], output [B, …, k], and so are the indices.
    """

    def forward(
        self, sources: Sequence[Tensor], *, axis: Any, k: Tensor | int, k_dim: Dim | None = None, sorted: bool = True
    ) -> Output:
        (x,) = sources
        single = not isinstance(axis, (list, tuple))
        axes = [self.axis(x, a) for a in ([axis] if single else axis)]
        for a in axes:
            low = -jnp.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min
            x = ops.masked(x, x.dims[a], low)
        rest = [i for i in range(x.ndim) if i not in axes]
        moved = x.transpose([*rest, *axes])
        count = math.prod(x.shape[a] for a in axes)
        n, dim = self._count(k, k_dim, count)
        if not is_symbolic_dim(count) and n > count:
            raise self.error("k", n, f"there are only {count} entries")
        values, places = jax.lax.top_k(moved.data.reshape(*(x.shape[i] for i in rest), count), n)
        dims = (*(x.dims[i] for i in rest), dim)
        found: dict[str, Output] = {}
        for i, a in reversed(list(enumerate(axes))):
            index = Tensor(places % x.shape[a], dims, x.dims[a])
            found["indices" if single else f"indices{i}"] = Output(index)
            places = places // x.shape[a]
        out = Tensor(values, dims, x.sparse_dim)
        return Output(out, subs=found)

    def _count(self, k: Tensor | int, k_dim: Dim | None, count: int) -> tuple[int, Dim]:
        known = sizes.current()
        if isinstance(k, Tensor):
            dim = made(self, "{}:topk", None, k_dim)
            if dim.root.size is not None:
                return dim.root.size, dim
            same = known.dim_of(k)
            if same is not None:
                dim.declare_same_as(same)
            else:
                known.declare(dim.root, min(known.bound(k, dim, count), count), k)
            return known.padded(dim), dim
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise self.error("k", k, "a number of at least 1, or the name of a layer, is needed")
        return k, made(self, "{}:topk", k, k_dim)


@layer("search_sorted")
class SearchSorted(Layer):
    """Where values would have to be inserted to keep a sequence sorted.

    `sorted_sequence` [B, T], `values` [B, N], output [B, N]: indices into T.
    """

    def forward(self, *, sorted_sequence: Tensor, values: Tensor, axis: Any = "T", side: str = "left") -> Tensor:
        if side not in ("left", "right"):
            raise self.error("side", side, "there are 'left' and 'right'")
        at = self.axis(sorted_sequence, axis)
        keep = ops.mask(sorted_sequence.dims[at], sorted_sequence.dims)
        high = jnp.inf if jnp.issubdtype(sorted_sequence.dtype, jnp.floating) else jnp.iinfo(sorted_sequence.dtype).max
        rows = sorted_sequence.data if keep is None else jnp.where(keep, sorted_sequence.data, high)
        batch = [i for i in range(sorted_sequence.ndim) if i != at]
        places = ops.match(values.dims, [sorted_sequence.dims[i] for i in batch])
        rest = [i for i in range(values.ndim) if i not in places]
        if None in places or len(rest) != 1:
            raise self.error(
                "values", self.node.get("values"), f"{values!r} needs one dim besides those of {sorted_sequence!r}"
            )
        table = jnp.transpose(rows, [*batch, at])
        table = table.reshape(math.prod(table.shape[:-1]), table.shape[-1])
        moved = values.transpose([*places, *rest])  # type: ignore[list-item]
        wanted = moved.data.reshape(table.shape[0], moved.shape[-1])
        if is_symbolic_dim(table.shape[-1]):  # whose bisection has an unknown number of steps
            before = table[:, None] < wanted[..., None] if side == "left" else table[:, None] <= wanted[..., None]
            found = jnp.sum(before, axis=-1)
        else:
            found = jax.vmap(lambda a, v: jnp.searchsorted(a, v, side=side))(table, wanted)
        return moved.like(found.reshape(moved.shape).astype(jnp.int32))
