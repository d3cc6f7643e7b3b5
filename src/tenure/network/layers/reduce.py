"""Layers that reduce axes."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from tenure.network import ops
from tenure.network.layer import Layer, layer
from tenure.network.tensor import Tensor

_MODES = ("sum", "max", "min", "mean", "logsumexp", "any", "all", "argmax", "argmin", "prod")


@layer("reduce")
class Reduce(Layer):
    """Sum, maximum, mean … over axes; what is beyond a sequence's end does not count.

    Input [B, …, n, …], output without the axes that are reduced, or of size 1 with `keep_dims`.
    """

    def forward(
        self,
        source: Tensor,
        *,
        mode: str,
        axis: Any = None,
        axes: Any = None,
        keep_dims: bool = False,
        enforce_batch_dim_axis: Any = None,
        use_time_mask: bool | None = None,
    ) -> Tensor:
        if axis is not None and axes is not None:
            raise self.error("axes", axes, "'axis' says it already")
        described = axis if axis is not None else axes
        if source.sparse:
            raise self.error("from", self.node.get("from"), f"indices ({source!r}) cannot be reduced")
        x = source.batch_first() if has_integer(described) else source
        reduced = self.axes(x, described)
        if not reduced:
            raise self.error("axis", described, f"{x!r} has no such axis")
        name = {"avg": "mean"}.get(str(mode).lower(), str(mode).lower())
        if name not in _MODES:
            raise self.error("mode", mode, "there is no such reduction", [", ".join(_MODES)])
        return ops.reduce(x, reduced, name, keep=keep_dims, use_mask=use_time_mask is not False)


def has_integer(description: Any) -> bool:
    """Whether axes are given by position, which counts on the batch axis being the first."""
    if isinstance(description, (list, tuple)):
        return any(map(has_integer, description))
    return isinstance(description, int)


@layer("reduce_out")
class ReduceOut(Layer):
    """Reduces groups of `num_pieces` neighbouring features to one: maxout, for instance.

    Input [B, …, F], output [B, …, F / num_pieces].
    Source of maxout: Goodfellow et al. 2013, https://arxiv.org/abs/1302.4389.
    """

    def forward(self, source: Tensor, *, mode: str, num_pieces: int) -> Tensor:
        functions: dict[str, Any] = {"max": jnp.max, "sum": jnp.sum, "mean": jnp.mean, "avg": jnp.mean}
        if mode not in functions:
            raise self.error("mode", mode, "there is no such reduction", [", ".join(functions)])
        axis, dim = source.feature_axis, source.feature_dim
        if axis is None or dim is None or dim.root.size is None or dim.root.size % num_pieces:
            raise self.error("num_pieces", num_pieces, f"the features of {source!r} cannot be divided by it")
        out = dim // num_pieces
        if self.node.get("out_dim") is not None:
            out.declare_same_as(self.node.get("out_dim"))
        shape = (*source.shape[:axis], dim.root.size // num_pieces, num_pieces, *source.shape[axis + 1 :])
        return source.replace_dim(axis, out).like(functions[mode](source.data.reshape(shape), axis + 1))


@layer("math_norm")
class MathNorm(Layer):
    """`(Σ |x|^p)^(1/p)` over axes.

    Input [B, …, n, …], output without the axes that are reduced.
    """

    def forward(
        self, source: Tensor, *, p: float, axis: Any = None, axes: Any = None, keep_dims: bool = False
    ) -> Tensor:
        described = axis if axis is not None else axes
        powers = source.like(jnp.abs(source.data) ** p)
        total = ops.reduce(powers, self.axes(source, described), "sum", keep=keep_dims)
        return total.like(total.data ** (1.0 / p))
