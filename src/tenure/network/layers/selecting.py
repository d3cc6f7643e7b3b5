"""Layers that leave entries out, so that what is left is as long as values say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from tenure.network import ops, sizes
from tenure.network.dims import Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import dynamic
from tenure.network.losses.decode import packed
from tenure.network.tensor import Tensor


@layer("boolean_mask")
class BooleanMask(Layer):
    """The entries that a mask over `dims` selects, one after the other, in one new dim in their place.

    Input [*dims, …], `mask` [*dims], output [selected, …].
    """

    def forward(
        self, sources: Sequence[Tensor], *, mask: Tensor, dims: Sequence[Dim], out_dim: Dim | None = None
    ) -> Tensor:
        (x,) = sources
        if mask.dtype != jnp.bool_ or not _all_dims(dims) or set(mask.dims) != set(dims):
            raise self.error("mask", self.node.get("mask"), f"a truth value for each entry of {dims} is needed")
        rest = [d for d in x.dims if d not in dims]
        data = jnp.broadcast_to(
            ops.aligned(x, (*dims, *rest)), tuple(sizes.current().padded(d) for d in (*dims, *rest))
        )
        kept = ops.aligned(mask, dims)
        inside = None if self.takes_padding_in else ops.all_masks(dims)
        keep = (kept if inside is None else kept & inside).reshape(-1)
        flat = data.reshape(keep.size, *data.shape[len(dims) :])
        count = jnp.sum(keep, dtype=jnp.int32)
        dim = dynamic(self, "{}:mask", Tensor(count, ()), out_dim)
        n = sizes.current().padded(dim)
        order = jnp.argsort(~keep, stable=True)
        more = sizes.at_least(0, n - order.shape[0])
        return x.with_dims(flat[sizes.lengthened(order, 0, 0, more)[:n]], (dim, *rest))


def _all_dims(dims: Any) -> bool:
    return isinstance(dims, (list, tuple)) and bool(dims) and all(isinstance(d, Dim) for d in dims)


@layer("remove")
class Remove(Layer):
    """Sequences of labels without one of the labels; counted from the end if negative.

    Input [B, T] of labels, output [B, T'], T' the number of labels that are left.
    """

    def forward(self, sources: Sequence[Tensor], *, symbol: int, axis: Any = "T", out_dim: Dim | None = None) -> Tensor:
        (x,) = sources
        x = x.batch_first()
        at = self.axis(x, axis, allow_int=False)
        if not x.sparse or x.ndim != 2 or at != 1:
            raise self.error("from", self.node.get("from"), f"sequences of labels [batch, time] are needed, not {x!r}")
        if isinstance(symbol, bool) or not isinstance(symbol, int):
            raise self.error("symbol", symbol, "a label is needed")
        classes = x.sparse_dim.root.size if x.sparse_dim is not None else None
        label = symbol + (classes or 0) if symbol < 0 else symbol
        keep = ops.masked(x.like(x.data != label, sparse_dim=None), x.dims[1], False).data
        data, counts = packed(x.data, keep)
        dim = dynamic(self, "{}_removed_items", Tensor(counts.astype(jnp.int32), (x.dims[0],)), out_dim)
        n = sizes.current().padded(dim)
        data = sizes.lengthened(data, 1, 0, sizes.at_least(0, n - data.shape[1]))[:, :n]
        return Tensor(data, (x.dims[0], dim), x.sparse_dim)
