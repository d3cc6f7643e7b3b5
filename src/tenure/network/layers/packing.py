"""Layers that put sequences into the batch, and take them out of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from tenure.network import layout, sizes
from tenure.network.dims import BATCH, Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import made
from tenure.network.output import Output
from tenure.network.sizes import current
from tenure.network.tensor import Tensor

_PACKED = {True: "packed", False: "packed_time_major"}


def _lengths(x: Tensor, at: int) -> Any:
    """[B] lengths of an axis."""
    n = x.shape[x.batch_axis]  # type: ignore[index]
    found = sizes.current().lengths(x.dims[at])
    return jnp.full((n,), x.shape[at], jnp.int32) if found is None else jnp.broadcast_to(found.data, (n,))


@layer("flatten_batch")
class FlattenBatch(Layer):
    """All frames of all sequences, one after the other, without padding, in place of the batch.

    Input [B, T, …], output [frames, …], frames the sum of all lengths.
    """

    def forward(self, source: Tensor, *, axis: Any = "T", batch_major: bool = True) -> Tensor:
        x = source.batch_first()
        at = self.axis(x, axis, allow_int=False)
        if x.batch_axis is None or at == x.batch_axis:
            raise self.error("axis", axis, f"an axis of {source!r} beside its batch is needed")
        x = x.move_axis(at, 1)
        batch, time = x.dims[:2]
        frames = x.data if batch_major else jnp.swapaxes(x.data, 0, 1)
        flat = frames.reshape(-1, *x.shape[2:])
        dim = Dim(None, f"{batch.name}*{time.name}", kind=BATCH, op=(_PACKED[batch_major], batch, time))
        known = sizes.current()
        if known.lengths(time) is None:
            known.declare(dim, len(flat))
        else:
            keep = jnp.arange(x.shape[1]) < _lengths(x, 1)[:, None]
            keep = (keep if batch_major else keep.T).reshape(-1)
            size = known.bound(Tensor(jnp.sum(keep), ()), dim)
            order = jnp.argsort(~keep, stable=True)[:size]
            flat = flat[order]
            known.declare(dim, len(flat))
        return Tensor(flat, (dim, *x.dims[2:]), x.sparse_dim)


@layer("unflatten_batch")
class UnflattenBatch(Layer):
    """The inverse of `flatten_batch`.

    Input [frames, …], output [B, T, …].
    """

    def forward(self, source: Tensor) -> Tensor:
        x = source.batch_first()
        op = x.dims[0].root.op if x.batch_axis is not None else None
        if op is None or op[0] not in _PACKED.values():
            raise self.error("from", self.node.get("from"), f"{source!r} was not made by 'flatten_batch'")
        _, batch, time = op
        known = sizes.current()
        b, t = known.padded(batch), known.padded(time)
        lengths = known.lengths(time)
        n = jnp.full((b,), t, jnp.int32) if lengths is None else lengths.data
        keep = jnp.arange(t) < n[:, None]
        major = op[0] == _PACKED[True]
        keep = keep if major else keep.T
        index = jnp.where(keep, jnp.cumsum(keep.reshape(-1)).reshape(keep.shape) - 1, 0)
        data = jnp.where(keep.reshape(*keep.shape, *[1] * (x.ndim - 1)), x.data[index], jnp.zeros((), x.dtype))
        dims = ((batch, time) if major else (time, batch)) + x.dims[1:]
        return Tensor(data, dims, x.sparse_dim)


@layer("split_batch_time")
class SplitBatchTime(Layer):
    """The batch split into the batch and the time dim of another layer.

    Input [B * T, …], `base` [B, T, …], output [B, T, …].
    """

    def forward(self, source: Tensor, *, base: Tensor) -> Tensor:
        x = source.batch_first()
        if base.time_axis is None or base.batch_axis is None or x.batch_axis is None:
            raise self.error("base", self.node.get("base"), f"a layer with batch and time is needed, not {base!r}")
        batch, time = base.dims[base.batch_axis], base.dims[base.time_axis]
        shape = (base.shape[base.batch_axis], base.shape[base.time_axis])
        if math.prod(shape) != x.shape[0]:
            raise self.error("base", self.node.get("base"), f"{x.shape[0]} entries are not {shape[0]} x {shape[1]}")
        return Tensor(x.data.reshape(*shape, *x.shape[1:]), (batch, time, *x.dims[1:]), x.sparse_dim)


@layer("unflatten_nd")
class UnflattenNd(Layer):
    """An axis split into several, of sizes that differ for each sequence.

    Input [B, T, …], `sizes` [B, num_axes], output [B, n1, n2, …, …].
    """

    def forward(
        self,
        source: Tensor,
        *,
        sizes: Tensor,
        num_axes: int,
        in_dim: Any = "T",
        out_dims: Any = None,
        declare_same_sizes_as: Tensor | Any = None,
    ) -> Tensor:
        x = source.batch_first()
        x = x.move_axis(self.axis(x, in_dim, allow_int=False), 1)
        counts = sizes.batch_first().data
        if (
            counts.ndim != 2
            or isinstance(num_axes, bool)
            or not isinstance(num_axes, int)
            or counts.shape[1] < num_axes
        ):
            raise self.error("sizes", self.node.get("sizes"), f"[batch, {num_axes}] sizes are needed, not {sizes!r}")
        known, dims = current(), []
        batch = x.dims[0]
        for i in range(num_axes):
            dim = self._dim(i, out_dims, declare_same_sizes_as)
            if dim.root.size is None and (not known.knows(dim) or known.lengths(dim) is None):
                lengths = Tensor(counts[:, i], (batch,))
                known.declare(dim.root, known.bound(lengths, dim), lengths)
            dims.append(dim)
        shape = tuple(known.padded(d) for d in dims)
        index, inside = jnp.zeros((len(counts), *shape), jnp.int32), jnp.ones((len(counts), *shape), bool)
        for i, n in enumerate(shape):
            place = jnp.arange(n).reshape([-1 if a == i + 1 else 1 for a in range(num_axes + 1)])
            own = counts[:, i].reshape(-1, *[1] * num_axes)
            index, inside = index * own + place, inside & (place < own)
        flat = jnp.minimum(index.reshape(len(counts), -1), x.shape[1] - 1)
        data = jnp.take_along_axis(x.data, flat.reshape(*flat.shape, *[1] * (x.ndim - 2)), axis=1)
        data = data.reshape(len(counts), *shape, *x.shape[2:])
        data = jnp.where(inside.reshape(*inside.shape, *[1] * (x.ndim - 2)), data, jnp.zeros((), x.dtype))
        return Tensor(data, (batch, *dims, *x.dims[2:]), x.sparse_dim)

    def _dim(self, i: int, given: Any, same_as: Any) -> Dim:
        if given is not None:
            return given[i]
        other = (same_as or {}).get(i) if isinstance(same_as, dict) else None
        if isinstance(other, Tensor) and other.time_dim is not None:
            return other.time_dim
        return made(self, f"{{}}:unflatten-nd:{i}", None)


@layer("time_chunking")
class TimeChunking(Layer):
    """Sequences cut into chunks that may overlap, all of them in the batch.

    Input [B, T, …], output [chunk_size, B * chunks, …].
    """

    def forward(
        self, source: Tensor, *, chunk_size: int, chunk_step: int, axis: Any = "T", out_dim: Dim | None = None
    ) -> Output:
        for option, value in (("chunk_size", chunk_size), ("chunk_step", chunk_step)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise self.error(option, value, "a positive number is needed")
        x = source.batch_first()
        x = x.move_axis(self.axis(x, axis, allow_int=False), 1)
        if x.batch_axis != 0:
            raise self.error("axis", axis, f"an axis of {source!r} beside its batch is needed")
        batch, time = x.dims[:2]
        n = x.shape[1]
        chunks = sizes.at_least(0, n - chunk_size + chunk_step - 1) // chunk_step + 1
        padded = sizes.lengthened(x.data, 1, 0, chunk_size + chunk_step * chunks)
        starts = jnp.arange(chunks) * chunk_step
        places = starts[:, None] + jnp.arange(chunk_size)
        data = padded[:, places]
        lengths = jnp.clip(_lengths(x, 1)[:, None] - starts, 0, chunk_size).reshape(-1)
        keep = jnp.arange(chunk_size) < lengths[:, None]
        data = data.reshape(x.shape[0] * chunks, *data.shape[2:])
        data = jnp.where(keep.reshape(*keep.shape, *[1] * (x.ndim - 2)), data, jnp.zeros((), x.dtype))
        new_batch = Dim(
            None, f"{self.node.name}:chunked_batch", kind=BATCH, op=("chunks", batch, time, chunk_size, chunk_step)
        )
        known = sizes.current()
        known.declare(new_batch, data.shape[0])
        dim = made(self, "{}:chunking", None, out_dim)
        if dim.root.size is None:
            known.declare(dim.root, chunk_size, Tensor(lengths, (new_batch,)))
        dims = (dim, new_batch, *x.dims[2:])
        out = Tensor(jnp.swapaxes(data, 0, 1), dims, x.sparse_dim)
        return Output(Tensor(out.data, dims, x.sparse_dim, 0, out.feature_axis), extra=(x, chunk_size, chunk_step, dim))


@layer("time_unchunking")
class TimeUnchunking(Layer):
    """Chunks put together again; where they overlap, the mean.

    Input [chunk_size, B * chunks, …], output [T, B, …] as before `time_chunking`.
    """

    def forward(self, source: Tensor, *, chunking_layer: Output) -> Tensor:
        if not isinstance(chunking_layer.extra, tuple):
            raise self.error("chunking_layer", self.node.get("chunking_layer"), "a 'time_chunking' layer is needed")
        original, size, step, dim = chunking_layer.extra
        x = source.batch_first()
        x = x.move_axis(self.axis(x, dim), 1)
        batch, n = original.shape[:2]
        chunks = x.shape[0] // batch
        found = sizes.current().lengths(dim)
        lengths = jnp.full((x.shape[0],), size) if found is None else found.data
        keep = jnp.arange(size) < lengths[:, None]
        data = jnp.where(keep.reshape(*keep.shape, *[1] * (x.ndim - 2)), x.data, jnp.zeros((), x.dtype))
        data = data.reshape(batch, chunks, size, *x.shape[2:])
        places = jnp.arange(chunks)[:, None] * step + jnp.arange(size)
        room = step * chunks + size
        total = jnp.zeros((batch, room, *x.shape[2:]), x.dtype).at[:, places].add(data)
        count = jnp.zeros((batch, room), x.dtype).at[:, places].add(keep.reshape(batch, chunks, size).astype(x.dtype))
        total = (total / jnp.maximum(count, 1).reshape(*count.shape, *[1] * (x.ndim - 2)))[:, :n]
        dims = (original.dims[1], original.dims[0], *x.dims[2:])
        out = Tensor(jnp.swapaxes(total, 0, 1), dims, x.sparse_dim)
        return Tensor(out.data, dims, x.sparse_dim, 0, out.feature_axis)


@layer("reshape")
class Reshape(Layer):
    """Some axes, in this order, as other axes with as many entries.

    Input [B, *in_dims, …], output [B, *out_dims, …].
    """

    def forward(self, sources: Sequence[Tensor], *, in_dims: Any, out_dims: Any) -> Tensor:
        (x,) = sources
        if not isinstance(in_dims, (list, tuple)) or not isinstance(out_dims, (list, tuple)) or not in_dims:
            raise self.error("in_dims", in_dims, "lists of dims are needed")
        axes = [self.axis(x, d, allow_int=False) for d in in_dims]
        new = [d if isinstance(d, Dim) else x.dims[self.axis(x, d)] for d in out_dims]
        first = min(axes)
        rest = [i for i in range(x.ndim) if i not in axes]
        order = [*rest[:first], *axes, *rest[first:]]
        moved = x.transpose(order)
        known = sizes.current()
        shape = [known.padded(d) if known.knows(d) else -1 for d in new]
        entries = math.prod(x.shape[a] for a in axes)
        if shape.count(-1) > 1 or (-1 not in shape and math.prod(shape) != entries):
            raise self.error("out_dims", out_dims, f"{entries} entries cannot be {shape}")
        if -1 in shape:
            known_part = math.prod(s for s in shape if s != -1)
            shape[shape.index(-1)] = entries // max(known_part, 1)
        dims = (*(x.dims[i] for i in rest[:first]), *new, *(x.dims[i] for i in rest[first:]))
        known.of_shape(new, shape)
        if self.takes_padding_in or moved.batch_axis in range(first, first + len(axes)):
            data = moved.data.reshape(*moved.shape[:first], *shape, *moved.shape[first + len(axes) :])
        else:
            flat = layout.merged(moved.data, moved.dims, first, len(axes))
            data = layout.split(flat, dims, first, len(new))
        return x.with_dims(data, dims)
