"""Layers that know of the pass, and of what is kept from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.state import get_state, set_state
from tenure.network import ops
from tenure.network.dims import Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import made
from tenure.network.tensor import Tensor


@layer("train_flag")
class TrainFlag(Layer):
    """Whether this pass is for training.

    Output: a scalar, a truth value.
    """

    def forward(self) -> Tensor:
        return Tensor(jnp.asarray(self.training), ())


@layer("global_train_step")
class GlobalTrainStep(Layer):
    """How many training steps there have been, which `apply` is told.

    Output: a scalar.
    """

    def forward(self) -> Tensor:
        return Tensor(jnp.asarray(self.run.step, jnp.int32), ())


@layer("accumulate_mean")
class AccumulateMean(Layer):
    """A running mean over batches: the state `mean_1`, which moves a little in each training pass.

    In TensorFlow's graph the name `mean` is the reduction's, so that is how the variable is called in checkpoints.

    Input [B, T, F], output [F]: the axes that `axes` leaves. Updated in training only.
    """

    stepwise = True

    def forward(
        self,
        source: Tensor,
        *,
        exp_average: float,
        axes: Any = "bt",
        initial_value: float | None = None,
        is_prob_distribution: bool | None = None,
        use_time_mask: bool | None = None,
    ) -> Tensor:
        now = ops.reduce(source, self.axes(source, axes), "mean", use_mask=use_time_mask is not False)
        start = initial_value
        if start is None:
            start = 1.0 / now.shape[0] if is_prob_distribution else 0.0
        mean = get_state("mean_1", now.shape, jnp.float32, lambda shape, dtype: jnp.full(shape, start, dtype))
        if self.training:
            set_state("mean_1", mean + exp_average * (jax.lax.stop_gradient(now.data) - mean))
        return now.like(mean)


@layer("stack")
class Stack(Layer):
    """Several inputs along a new axis.

    Inputs [B, …, F], output [B, …, number of inputs, F]; or where `axis` says.
    """

    def forward(
        self, sources: Sequence[Tensor], *, axis: int | None = None, out_spatial_dim: Dim | None = None
    ) -> Tensor:
        if not sources:
            raise self.error("from", self.node.get("from"), "at least one input is needed")
        frame = ops.common(list(sources))
        dim = made(self, "{}:stack", len(sources), out_spatial_dim)
        at = ops.new_axis(frame, dim) if axis is None else axis
        arrays = [ops.aligned(x, frame.dims) for x in sources]
        shape = jnp.broadcast_shapes(*(a.shape for a in arrays))
        data = jnp.stack([jnp.broadcast_to(a, shape) for a in arrays], axis=at)

        def shift(i: int | None) -> int | None:
            return i if i is None or i < at else i + 1

        dims = (*frame.dims[:at], dim, *frame.dims[at:])
        return Tensor(data, dims, frame.sparse_dim, shift(frame.time_axis), shift(frame.feature_axis))
