"""Pooling over sequences of a batch."""

from __future__ import annotations

import jax.numpy as jnp

from tenure.network import sizes
from tenure.network.dims import BATCH, Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import dynamic
from tenure.network.tensor import Tensor


@layer("batch_median_pooling")
class BatchMedianPooling(Layer):
    """The median of each `pool_size` neighbours in the batch, the larger one of the two middle ones."""

    def forward(self, source: Tensor, *, pool_size: int = 1) -> Tensor:
        x = source.batch_first()
        if x.batch_axis is None or isinstance(pool_size, bool) or not isinstance(pool_size, int) or pool_size < 1:
            raise self.error("pool_size", pool_size, f"a positive number, and a batch, are needed, not {source!r}")
        if x.shape[0] % pool_size:
            raise self.error("pool_size", pool_size, f"a batch of {x.shape[0]} cannot be put into groups of it")
        batch = Dim(None, f"{self.node.name}:batch", kind=BATCH, op=("groups", x.dims[0], pool_size))
        known = sizes.current()
        known.declare(batch, x.shape[0] // pool_size)
        groups = jnp.sort(x.data.reshape(-1, pool_size, *x.shape[1:]), axis=1)
        data = groups[:, pool_size - (pool_size + 1) // 2]
        dims = []
        for i, dim in enumerate(x.dims[1:]):
            lengths = known.lengths(dim)
            if lengths is None or lengths.dims != (x.dims[0],):
                dims.append(dim)
                continue
            of_first = Tensor(lengths.data[::pool_size], (batch,))
            dims.append(dynamic(self, f"{{}}:pooled{i}", of_first, bound=known.padded(dim)))
        return x.with_dims(data, (batch, *dims), origin=list(range(x.ndim)))
