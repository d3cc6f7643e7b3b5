"""Layers that normalise within one example."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tenure.functional import normalised, standardised
from tenure.network import layout, ops
from tenure.network.dims import Dim
from tenure.network.layer import Layer, layer
from tenure.network.tensor import Tensor


@layer("layer_norm")
class LayerNorm(Layer):
    """Mean 0 and variance 1 over the features, then scaled and shifted.

    Parameters: `scale`, `bias` (features). Source: Ba et al. 2016, https://arxiv.org/abs/1607.06450.

    Input [B, …, F], output the same axes.
    """

    def forward(self, source: Tensor, *, epsilon: float = 1e-6) -> Tensor:
        in_dim, out_dim = self.node.get("in_dim"), self.node.get("out_dim")
        if in_dim is not None and out_dim is not None and in_dim != out_dim:
            raise self.error("out_dim", out_dim, "it must be 'in_dim'")
        wanted = in_dim if in_dim is not None else out_dim
        axis = self.axis(source, wanted) if isinstance(wanted, Dim) else source.feature_axis
        if axis is None or source.sparse:
            raise self.error("from", self.node.get("from"), f"{source!r} has no feature dim")
        dim = source.dims[axis]
        shape = [-1 if i == axis else 1 for i in range(source.ndim)]
        scale = self.param("scale", (dim,), 1.0).reshape(shape)
        bias = self.param("bias", (dim,), 0.0).reshape(shape)
        return source.like(standardised(source.data, (axis,), epsilon, scale, bias))


@layer("norm")
class Norm(Layer):
    """Mean 0 and variance 1 over axes, then scaled and shifted.

    Parameters: `scale`, `bias`, of the dims in `param_shape`.

    Input [B, T, …, F], output the same axes.
    Source: over T instance norm, Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022; over groups Wu and He 2018,
    https://arxiv.org/abs/1803.08494.
    """

    def forward(
        self,
        source: Tensor,
        *,
        axis: Any = None,
        axes: Any = None,
        param_shape: Any = "F",
        scale: bool = True,
        bias: bool = True,
        epsilon: float = 1e-6,
    ) -> Tensor:
        over = self.axes(source, axis if axis is not None else axes)
        if not over or source.sparse:
            raise self.error("axis", axis, f"{source!r} has no such axis")
        if not (scale or bias):
            return source.like(self._standardised(source, over, epsilon))
        described = param_shape if isinstance(param_shape, (list, tuple)) else [param_shape]
        own = [self.axis(source, d) for d in described]
        dims = [source.dims[a] for a in own]
        order = sorted(range(len(own)), key=lambda i: own[i])

        def param(name: str, start: float) -> jax.Array:
            value = jnp.transpose(self.param(name, dims, start), order)
            return value.reshape([source.shape[i] if i in own else 1 for i in range(source.ndim)])

        learned = (param("scale", 1.0) if scale else None, param("bias", 0.0) if bias else None)
        return source.like(self._standardised(source, over, epsilon, *learned))

    def _standardised(self, x: Tensor, axes: list[int], epsilon: float, scale: Any = None, bias: Any = None) -> Any:
        if self.takes_padding_in or not any(layout.ragged(x.dims[a]) for a in axes):
            return standardised(x.data, axes, epsilon, scale, bias)
        mean = ops.reduce(x, axes, "mean", keep=True).data
        squares = x.like(jnp.square(x.data - mean))
        variance = ops.reduce(squares, axes, "mean", keep=True).data
        return normalised(x.data, mean, variance, epsilon, scale, bias)
