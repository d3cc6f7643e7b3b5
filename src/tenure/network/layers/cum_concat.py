"""All frames so far, side by side: what attention of a decoder to itself looks at."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tenure.network import sizes
from tenure.network.dims import Dim, single_step_dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.stepwise import kept
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("cum_concat")
class CumConcat(Layer):
    """In each step of a loop, the frames from the first to this one, in the dim `out_spatial_dim`; by default one that its name "rec-history" finds.

    The array has room for the whole loop, and the dim's length, one number for all sequences, grows with each step.

    Input [B, F] of one step, output [B, out_spatial_dim, F].
    """

    stepwise = True

    def forward(self, source: Tensor, *, out_spatial_dim: Dim | None = None, axis: Dim | None = None) -> Output:
        time = self.run.loop_time
        if time is None or not self.run.single_step:
            raise self.error(
                "class", "cum_concat", "it joins the steps of a loop, and must be in the unit of a 'rec' layer"
            )
        if axis is not None and axis is not single_step_dim:
            raise self.error("axis", axis, "it joins steps only", ["leave 'axis' out"])
        if (
            out_spatial_dim is None
        ):  # one history for all such layers of a loop, as in RETURNN before its dims were objects
            key = ("rec-history", self.run.graph.root.path)
            out_spatial_dim = self.run.network.dims.setdefault(key, Dim(None, "rec-history"))
        if not isinstance(out_spatial_dim, Dim):
            raise self.error("out_spatial_dim", out_spatial_dim, "a Dim is needed", ["Dim(None, 'so far')"])
        x = source.batch_first()
        n = sizes.current().padded(time)
        frames, count = kept(self, "state"), kept(self, "count")
        at = 0 if x.batch_axis is None else 1
        shape = (*x.shape[:at], n, *x.shape[at:])
        step = jnp.zeros((), jnp.int32) if count is None else count.data
        room = jnp.zeros(shape, x.dtype) if frames is None else frames.data
        data = jax.lax.dynamic_update_slice_in_dim(room, jnp.expand_dims(x.data, at), step, at)
        lengths = Tensor(step + 1, ())
        sizes.current().declare(out_spatial_dim.root, n, lengths)
        origin = [*range(at), None, *range(at, x.ndim)]
        found = x.with_dims(data, (*x.dims[:at], out_spatial_dim, *x.dims[at:]), origin=origin)
        return Output(found, state={"state": found, "count": lengths})
