"""Pooling over sequences of a batch."""

from __future__ import annotations

import jax.numpy as jnp
from jax.export import is_symbolic_dim

from tenure.network import ops, sizes
from tenure.network.dims import BATCH, Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import dynamic
from tenure.network.tensor import Tensor


@layer("batch_median_pooling")
class BatchMedianPooling(Layer):
    """The median of each `pool_size` neighbours in the batch, the larger one of the two middle ones.

    A frame's median is of the sequences that are that long, and the result as long as the longest of them; with
    `padding="legacy"` padding is among what the median is of, and the result as long as the first one.

    Input [B, …], output [B / pool_size, …].
    """

    def forward(self, source: Tensor, *, pool_size: int = 1) -> Tensor:
        x = source.batch_first()
        if x.batch_axis is None or isinstance(pool_size, bool) or not isinstance(pool_size, int) or pool_size < 1:
            raise self.error("pool_size", pool_size, f"a positive number, and a batch, are needed, not {source!r}")
        if is_symbolic_dim(x.shape[0]):
            raise self.error("pool_size", pool_size, "the size of the batch must be a number")
        if x.shape[0] % pool_size:
            raise self.error("pool_size", pool_size, f"a batch of {x.shape[0]} cannot be put into groups of it")
        batch = Dim(None, f"{self.node.name}:batch", kind=BATCH, op=("groups", x.dims[0], pool_size))
        known = sizes.current()
        known.declare(batch, x.shape[0] // pool_size)
        keep = None if self.takes_padding_in else ops.all_masks(x.dims)
        high = x.data if keep is None else jnp.where(keep, x.data, jnp.inf)
        groups = jnp.sort(high.reshape(-1, pool_size, *x.shape[1:]), axis=1)
        if keep is None:
            data = groups[:, pool_size // 2]
        else:
            counts = jnp.broadcast_to(keep, x.shape).reshape(groups.shape).sum(axis=1, keepdims=True)
            data = jnp.take_along_axis(groups, counts // 2, axis=1)[:, 0]
            data = jnp.where(counts[:, 0] > 0, data, 0)
        dims = []
        for i, dim in enumerate(x.dims[1:]):
            lengths = known.lengths(dim)
            if lengths is None or lengths.dims != (x.dims[0],):
                dims.append(dim)
                continue
            each = lengths.data.reshape(-1, pool_size)
            pooled = each[:, 0] if self.takes_padding_in else each.max(axis=1)
            dims.append(dynamic(self, f"{{}}:pooled{i}", Tensor(pooled, (batch,)), bound=known.padded(dim)))
        return x.with_dims(data, (batch, *dims), origin=list(range(x.ndim)))
