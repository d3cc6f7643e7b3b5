"""Layers that hand on what they get."""

from __future__ import annotations

from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("copy", "dropout")
class Copy(Layer):
    """The inputs, concatenated in their features, with dropout if asked for.

    Inputs [B, …, F], output [B, …, sum of all F].
    Source of dropout: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    """

    framewise = True

    def forward(self, source: Tensor) -> Output:
        out_dim = self.node.get("out_dim")
        if out_dim is not None and source.feature_axis is not None and source.feature_dim != out_dim:
            source.feature_dim.declare_same_as(out_dim)  # type: ignore[union-attr]
        return self.handed_on(source)
