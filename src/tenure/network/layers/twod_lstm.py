"""Two sequences, looked at together by a two-dimensional LSTM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import ops
from tenure.network.cells import two_d
from tenure.network.dims import Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.score import batch_time
from tenure.network.layers.stepwise import kept
from tenure.network.losses.base import lengths_of
from tenure.network.output import Output
from tenure.network.tensor import Tensor

_POOLING = ("last", "max", "average", "weighted")


@layer("twod_lstm")
class TwoDLSTM(Layer):
    """An LSTM over a source sequence [B, S, F] and a target sequence [B, T, G], the first and the second input.

    For each target frame, `pooling` makes one vector of those of all source frames: that of the last one, their
    maximum, their average, or a sum with weights that depend on the target frame. In a loop it takes one target frame.

    Output [B, T, n_out].
    Source: Graves et al. 2007, https://arxiv.org/abs/0705.2011; Bahar et al. 2018, https://arxiv.org/abs/1810.03975.
    """

    stepwise = True

    with_dropout = False

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        pooling: str = "last",
        unit_opts: Any = None,
        forward_weights_init: Any = None,
        recurrent_weights_init: Any = None,
        bias_init: Any = None,
    ) -> Output:
        if len(sources) != 2 or any(x.feature_axis is None or x.batch_axis is None for x in sources):
            raise self.error("from", self.node.get("from"), "a source and a target with features are needed")
        if pooling not in _POOLING:
            raise self.error("pooling", pooling, f"there are {', '.join(_POOLING)}")
        self.unsupported("its cell has no options", unit_opts=unit_opts)
        x, out = batch_time(self, "from", sources[0]), self.feature_out()
        step = sources[1].time_axis is None
        y = sources[1].feature_last().batch_first() if step else batch_time(self, "from", sources[1])
        x = self.beyond(x, [1], 0)
        start = recurrent_weights_init or forward_weights_init or "glorot_uniform"
        n, f, g = out.root.size or 0, x.shape[-1], y.shape[-1]
        across, down = (self.param(f"rec-twod/{name}_re", (n, 5 * n), start) for name in ("Vh", "Vv"))
        weights = self.param("rec-twod/W_re", (f + g, 5 * n), start)
        lengths = lengths_of(x)
        inside = jnp.arange(x.shape[1])[:, None] < lengths
        targets = (y.data[:, None] if step else y.data).swapaxes(0, 1)
        columns = x.data.swapaxes(0, 1)
        above = self._above(x, out)
        last, outputs = two_d.rows(columns @ weights[:f], targets @ weights[f:], across, down, inside, above)
        attention = self.param("rec-twod/W_att", (g, n), start) if pooling == "weighted" else None
        pooled = _pool(pooling, outputs, inside, lengths, targets, attention).swapaxes(0, 1)
        dims = (x.dims[1], x.dims[0], out)
        state = {name: Tensor(part, dims) for name, part in zip("ch", last, strict=True)}
        return Output(Tensor(pooled[:, 0] if step else pooled, (*y.dims[:-1], out)), state=state if step else {})

    def _above(self, x: Tensor, out: Dim) -> two_d.Row:
        """The row of the step before; zeros where there is none."""
        before = [kept(self, part) for part in "ch"]
        shape = (x.shape[1], x.shape[0], out.root.size or 0)
        dims = (x.dims[1], x.dims[0], out)
        c, h = (jnp.zeros(shape) if part is None else ops.aligned(part, dims) for part in before)
        return c, h


def _pool(
    kind: str, outputs: jax.Array, inside: jax.Array, lengths: jax.Array, targets: jax.Array, attention: Any
) -> jax.Array:
    """One vector [T, B, n] of those of all source frames [T, S, B, n]."""
    if kind == "max":
        return jnp.max(outputs, axis=1)
    if kind == "average":
        return jnp.sum(outputs, axis=1) / lengths[:, None]
    if kind == "weighted":
        energies = jnp.einsum("tbf,fn,tsbn->tsb", targets, attention, outputs)
        return jnp.einsum("tsb,tsbn->tbn", jax.nn.softmax(energies, axis=1), outputs)
    last = jnp.arange(inside.shape[0])[:, None] == lengths - 1
    return jnp.einsum("sb,tsbn->tbn", last.astype(outputs.dtype), outputs)
