"""Layers of segmental models, in which the time axis is a window: the lengths that a segment may have."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp

from tenure.network.layer import Layer, layer
from tenure.network.tensor import Tensor


@layer("apply_length_distribution")
class ApplyLengthDistribution(Layer):
    """Scores [B, window, F] times the probability of each length [B, 1, window], to the power `length_model_scale`.

    The second input's features are the lengths, which are the first one's time.

    Inputs [B, window, F] and [B, 1, window], output [B, window, F].
    """

    def forward(self, sources: Sequence[Tensor], *, length_model_scale: float = 1.0) -> Tensor:
        if len(sources) != 2:
            raise self.error("from", self.node.get("from"), "scores, and a distribution over lengths, are needed")
        scores, lengths = (self._three(x) for x in sources)
        factor = jnp.swapaxes(lengths.data, 1, 2) ** length_model_scale
        for n, m in zip(factor.shape[1:], scores.shape[1:], strict=True):
            if n not in (1, m):
                raise self.error("from", self.node.get("from"), f"{lengths!r} has not the lengths of {scores!r}")
        return scores.like(scores.data * factor)

    def _three(self, x: Tensor) -> Tensor:
        """[B, T, F]."""
        if x.ndim != 3 or x.batch_axis is None or x.time_axis is None or x.feature_axis is None:
            raise self.error("from", self.node.get("from"), f"[batch, time, features] is needed, not {x!r}")
        return x.transpose([x.batch_axis, x.time_axis, x.feature_axis])


@layer("normalize_length_scores")
class NormalizeLengthScores(Layer):
    """Scores of segments, each to the power of the segment's length: what a product over its frames would be.

    Input [B, T, …], output the same axes.
    """

    def forward(self, sources: Sequence[Tensor]) -> Tensor:
        x = sources[0]
        if x.time_axis is None:
            raise self.error("from", self.node.get("from"), f"a time axis is needed, not {x!r}")
        lengths = jnp.arange(1, x.shape[x.time_axis] + 1, dtype=x.dtype)
        return x.like(x.data ** lengths.reshape([-1 if i == x.time_axis else 1 for i in range(x.ndim)]))
