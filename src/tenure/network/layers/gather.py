"""Layers that take entries by index, or put them there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from tenure.network import ops, sizes
from tenure.network.dims import Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import dynamic, made
from tenure.network.tensor import Tensor
from tenure.network.tf.shapes import gather as take


def _same(a: Dim, b: Dim) -> bool:
    alike = a.is_spatial and b.is_spatial and a.auto and b.auto
    return a == b or (alike and a.root.size is not None and a.root.size == b.root.size)


def gather(x: Tensor, axis: int, position: Tensor) -> Tensor:
    """Slices of an axis at indices; dims that both have are gone through together.

    Args:
      x: what is taken from.
      axis: of `x`.
      position: the indices.

    Returns:
      First the dims of both, then those of `x` before the axis, those of `position`, and those of `x` after it.
    """
    shared: dict[int, int] = {}
    for i, dim in enumerate(x.dims):
        if i != axis:
            found = [j for j, d in enumerate(position.dims) if j not in shared.values() and _same(dim, d)]
            if found:
                shared[i] = found[0]
    own = [i for i in range(x.ndim) if i != axis and i not in shared]
    new = [j for j in range(position.ndim) if j not in shared.values()]
    at = max(len(shared), axis)
    before, after = own[: at - len(shared)], own[at - len(shared) :]
    table = jnp.transpose(x.data, [*shared, *before, axis, *after])
    index = jnp.transpose(position.data, [*shared.values(), *new])
    data = take(table, index, axis=at, batch_dims=len(shared))
    dims = [x.dims[i] for i in (*shared, *before)] + [position.dims[j] for j in new] + [x.dims[i] for i in after]
    from_x = {i: k for k, i in enumerate((*shared, *before))}
    from_x |= {i: at + len(new) + k for k, i in enumerate(after)}
    from_position = {j: k for k, j in enumerate(shared.values())} | {j: at + k for k, j in enumerate(new)}

    def moved(mine: int | None, theirs: int | None) -> Any:
        if mine is not None and mine != axis:
            return from_x.get(mine)
        return None if theirs is None else from_position.get(theirs)

    time = moved(x.time_axis, position.time_axis)
    feature = None if x.sparse else moved(x.feature_axis, position.feature_axis)
    out = Tensor(data, tuple(dims), x.sparse_dim)
    return Tensor(
        data,
        tuple(dims),
        x.sparse_dim,
        out.time_axis if time is None else time,
        None if x.sparse else (out.feature_axis if feature is None else feature),
    )


@layer("gather")
class Gather(Layer):
    """Slices of an axis at indices that another layer gives; zeros for indices beyond a sequence's end.

    Input [*shared, before, axis, after], `position` [*shared, *new], output [*shared, before, *new, after].
    """

    def forward(self, source: Tensor, *, position: Tensor | int, axis: Any, clip_to_valid: bool = False) -> Tensor:
        at = self.axis(source, axis, allow_int=False)
        index = position if isinstance(position, Tensor) else self._constant(position)
        if not jnp.issubdtype(index.dtype, jnp.integer):
            raise self.error("position", self.node.get("position"), f"indices are needed, not {index.dtype}")
        if clip_to_valid:
            index = _clipped(index, source.dims[at])
        found = gather(source, at, index)
        return found if clip_to_valid or self.takes_padding_in else within(found, index, source.dims[at])

    def _constant(self, position: Any) -> Tensor:
        if isinstance(position, bool) or not isinstance(position, int):
            raise self.error("position", position, "the name of a layer, or a number, is needed")
        return Tensor(jnp.asarray(position, jnp.int32), ())


def within(found: Tensor, index: Tensor, dim: Dim) -> Tensor:
    """What was found at indices into `dim`, with zeros for what is beyond a sequence's end."""
    lengths = sizes.current().lengths(dim)
    if lengths is None:
        return found
    inside = ops.map2(jnp.less, Tensor(index.data, index.dims), lengths, broadcast_all=True)
    return found.like(jnp.where(ops.aligned(inside, found.dims), found.data, jnp.zeros((), found.dtype)))


def _clipped(index: Tensor, dim: Dim) -> Tensor:
    lengths = sizes.current().lengths(dim)
    if lengths is None:
        return ops.map1(lambda i: jnp.clip(i.astype(jnp.int32), 0, sizes.current().padded(dim) - 1), index)
    return ops.map2(lambda i, n: jnp.clip(i, 0, n - 1), index, lengths, broadcast_all=True)


@layer("gather_nd")
class GatherNd(Layer):
    """Frames at indices: of the axis right after the batch; zeros for indices beyond a sequence's end.

    Input [B, T, …], `position` [B, *new], output [B, *new, …].
    """

    def forward(self, source: Tensor, *, position: Tensor) -> Tensor:
        x, index = source.batch_first(), position.batch_first()
        if x.batch_axis is None or x.ndim < 2:
            raise self.error("from", self.node.get("from"), f"{source!r} needs a batch and a further axis")
        if index.batch_axis is None:
            data = jnp.broadcast_to(index.data, (x.shape[0], *index.shape))
            index = Tensor(data, (x.dims[0], *index.dims), index.sparse_dim)
        data = take(x.data, index.data, axis=1, batch_dims=1)
        dims = (*index.dims, *x.dims[2:])
        found = Tensor(data, dims, x.sparse_dim)
        return found if self.takes_padding_in else within(found, index, x.dims[1])


@layer("scatter_nd")
class ScatterNd(Layer):
    """Entries put, and added up, at indices of a new axis.

    Input [B, T, …], `position` [B, T], output [B, out_spatial_dim, …] for `position_axis` T.
    """

    def forward(
        self,
        source: Tensor,
        *,
        position: Tensor,
        position_axis: Any,
        output_dim_via_time_from: Tensor | None = None,
        out_spatial_dim: Dim | None = None,
        filter_invalid_indices: bool = False,
    ) -> Tensor:
        out_dim = out_spatial_dim
        if out_dim is None:
            if output_dim_via_time_from is None or output_dim_via_time_from.time_dim is None:
                raise self.error("out_spatial_dim", out_dim, "the dim of the new axis is needed")
            out_dim = output_dim_via_time_from.time_dim
        at = self.axis(position, position_axis)
        places = ops.match(source.dims, position.dims)
        rest = [d for i, d in enumerate(source.dims) if i not in places]
        dims = (*position.dims, *rest)
        updates = ops.aligned(source, dims)
        updates = jnp.broadcast_to(updates, (*position.shape, *updates.shape[position.ndim :]))
        size = sizes.current().padded(out_dim)
        index = position.data
        if not self.takes_padding_in:
            keep = ops.all_masks(dims)
            updates = updates if keep is None else jnp.where(keep, updates, jnp.zeros((), updates.dtype))
        if filter_invalid_indices:
            wrong = (index < 0) | (index >= size)
            updates = jnp.where(wrong.reshape(wrong.shape + (1,) * len(rest)), 0, updates)
            index = jnp.where(wrong, 0, index)
        grid = list(jnp.meshgrid(*(jnp.arange(n) for n in position.shape), indexing="ij"))
        grid[at] = index
        shape = (*position.shape[:at], size, *updates.shape[at + 1 :])
        data = jnp.zeros(shape, updates.dtype).at[tuple(grid)].add(updates)
        new = (*dims[:at], out_dim, *dims[at + 1 :])
        out = Tensor(data, new, source.sparse_dim)
        time = at if position.time_axis is None else position.time_axis
        return Tensor(data, new, source.sparse_dim, time, out.feature_axis)


@layer("slice_nd")
class SliceNd(Layer):
    """A range of an axis, which may start elsewhere in each sequence; what is beyond the sequence is zero.

    Input [B, T, …], `start` [B] or a number, output [B, size, …].
    """

    def forward(
        self,
        source: Tensor,
        *,
        size: Tensor | Any,
        start: Tensor | int | None = None,
        min_size: int | None = None,
        axis: Any = "T",
        out_spatial_dim: Dim | None = None,
    ) -> Tensor:
        at = self.axis(source, axis, allow_int=False)
        begin = 0 if start is None else start
        dim = self._dim(source, at, begin, size, min_size, out_spatial_dim)
        n = sizes.current().padded(dim)
        if isinstance(begin, Tensor):
            return self._from(source, at, begin, dim, n)
        if isinstance(begin, bool) or not isinstance(begin, int) or begin < 0:
            raise self.error("start", begin, "a number of at least 0, or the name of a layer, is needed")
        lacking = sizes.at_least(0, begin + n - source.shape[at])
        source = self.beyond(source, [at], 0)
        data = sizes.lengthened(source.data, at, 0, lacking)
        data = data[(slice(None),) * at + (slice(begin, begin + n),)]
        return source.replace_dim(at, dim).like(data)

    def _dim(self, x: Tensor, at: int, start: Any, size: Any, least: int | None, given: Dim | None) -> Dim:
        known = sizes.current()
        if isinstance(size, Dim):
            if given is not None and given != size:
                given.declare_same_as(size)
            return given if given is not None else size
        if isinstance(size, int) and not isinstance(size, bool):
            return self._named(given, max(size, least or 0))
        if isinstance(size, Tensor):
            same = known.dim_of(size) if not least else None
            lengths = size if not least else ops.map1(lambda s: jnp.maximum(s, least), size)
            return self._dynamic(given, lengths, x.shape[at]) if same is None else self._declared(given, same)
        if size is not None:
            raise self.error("size", size, "a number, a dim, or the name of a layer, is needed")
        ends = known.lengths(x.dims[at])
        if ends is None and not isinstance(start, Tensor):
            return self._named(given, max(x.shape[at] - start, 0))
        if ends is not None and not isinstance(start, Tensor):
            if start == 0 and not least:
                return self._declared(given, x.dims[at])
            return self._dynamic(given, ops.map1(lambda n: jnp.maximum(n - start, least or 0), ends), x.shape[at])
        total = Tensor(jnp.asarray(x.shape[at], jnp.int32), ()) if ends is None else ends
        left = ops.map2(lambda n, s: jnp.maximum(n - s, least or 0), total, start, broadcast_all=True)
        return self._dynamic(given, Tensor(left.data.astype(jnp.int32), left.dims), x.shape[at])

    def _named(self, given: Dim | None, size: int) -> Dim:
        dim = made(self, "sliced-time:{}", size)
        return dim if given is None else self._declared(given, dim)

    def _declared(self, given: Dim | None, dim: Dim) -> Dim:
        if given is not None and given != dim:
            given.declare_same_as(dim)
        return dim if given is None else given

    def _dynamic(self, given: Dim | None, lengths: Tensor, most: int) -> Dim:
        return dynamic(self, "sliced-time:{}", Tensor(lengths.data, lengths.dims), given, most=most)

    def _from(self, x: Tensor, at: int, start: Tensor, dim: Dim, n: int) -> Tensor:
        known = sizes.current()
        index = start.data[..., None] + jnp.arange(n)
        position = Tensor(index, (*start.dims, dim))
        lengths = known.lengths(x.dims[at])
        limit = jnp.asarray(x.shape[at]) if lengths is None else _reduced(lengths, position.dims)
        outside = (index >= limit) | (index < 0)
        own = known.lengths(dim)
        if own is not None:
            outside = outside | (jnp.arange(n) >= _reduced(own, position.dims))
        found = gather(x, at, position.like(jnp.clip(index, 0, jnp.maximum(limit - 1, 0))))
        beyond = ops.aligned(Tensor(outside, position.dims), found.dims)
        return found.like(jnp.where(beyond, jnp.zeros((), found.dtype), found.data))


def _reduced(lengths: Tensor, dims: Sequence[Dim]) -> Any:
    """Lengths for these dims; the largest over those that are not among them."""
    extra = [i for i, d in enumerate(lengths.dims) if not any(d == e for e in dims)]
    data = jnp.max(lengths.data, axis=tuple(extra)) if extra else lengths.data
    rest = tuple(d for i, d in enumerate(lengths.dims) if i not in extra)
    return ops.aligned(Tensor(data, rest), dims)
