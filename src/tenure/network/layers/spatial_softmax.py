"""Softmax over positions."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from tenure.network import ops, sizes, versions
from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("softmax_over_spatial")
class SoftmaxOverSpatial(Layer):
    """Softmax over an axis of positions, of those within each sequence; that axis becomes the last one.

    `start`, and `window_start` with `window_size`, restrict it to positions from there on, and to a window. Without a time, as
    frames of a window have none in a loop, it goes over the only axis of positions.

    Input [B, T, …], output [B, …, T].
    """

    def forward(
        self,
        source: Tensor,
        *,
        axis: Any = None,
        energy_factor: float | None = None,
        start: Tensor | None = None,
        window_start: Tensor | None = None,
        window_size: Tensor | None = None,
        use_time_mask: bool | None = None,
        log_space: bool = False,
    ) -> Output:
        alone = source.spatial_axes if axis is None and source.time_axis is None else []
        at = alone[0] if len(alone) == 1 else self.axis(source, "T" if axis is None else axis, allow_int=False)
        x = source.move_axis(at, -1)
        dim = x.dims[-1]
        if use_time_mask is not False:
            x = ops.masked(x, dim, -jnp.inf)
        positions = Tensor(jnp.arange(sizes.current().padded(dim)), (dim,))
        for keep in windows(positions, start, window_start, window_size):
            x = x.like(jnp.where(ops.aligned(keep, x.dims), x.data, -jnp.inf))
        if energy_factor:
            x = x.like(x.data * energy_factor)
        found = ops.softmax(x, (x.ndim - 1,), log=log_space, use_mask=False)
        if not versions.at_least(versions.NO_ORDER_DEPENDENT_AXES):  # functions in configs of that time count axes
            found = found.move_axis(found.ndim - 1, at)
        return Output(found)


def windows(positions: Tensor, start: Any, window_start: Any, window_size: Any) -> list[Tensor]:
    """Which positions are within the bounds."""
    found = []
    if start is not None:
        found.append(ops.mapn(lambda p, s: p >= s, [positions, _as_tensor(start)], broadcast_all=True))
    if window_start is not None:
        first = _as_tensor(window_start)
        size = _as_tensor(1 if window_size is None else window_size)
        found.append(ops.mapn(lambda p, s, n: (p >= s) & (p < s + n), [positions, first, size], broadcast_all=True))
    return found


def _as_tensor(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        return Tensor(jnp.asarray(value), ())
    kept = [i for i, d in enumerate(value.dims) if d.root.size != 1]  # [B, 1] is a number for each sequence, too
    return Tensor(value.data.reshape([value.shape[i] for i in kept]), tuple(value.dims[i] for i in kept))


@layer("batch_softmax")
class BatchSoftmax(Layer):
    """Softmax over time and features together, for each sequence.

    Input [B, T, F], output the same axes.
    """

    def forward(self, source: Tensor) -> Tensor:
        x = source.batch_first()
        if x.time_axis is None or x.feature_axis is None:
            raise self.error("from", self.node.get("from"), f"time and features are needed, not {source!r}")
        return ops.softmax(x, (x.time_axis, x.feature_axis))
