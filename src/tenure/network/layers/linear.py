"""Linear layers: a matrix product over the features, or rows of the matrix for indices."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from tenure.functional import affine
from tenure.network import activations
from tenure.network.dims import Dim
from tenure.network.layer import Layer, layer
from tenure.network.occurrences import probed
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("linear", "hidden", "forward")
class Linear(Layer):
    """`activation(x · W + b)` over the features; for indices, rows of `W`.

    Parameters: `W` (in, out), or (out, in) with `use_transposed_weights`; `b` (out).

    Input [B, …, F] or indices [B, …], output [B, …, n_out].
    """

    framewise = True

    def forward(
        self,
        source: Tensor,
        *,
        activation: Any = None,
        with_bias: bool = True,
        grad_filter: float | None = None,
        forward_weights_init: Any = "glorot_uniform",
        bias_init: Any = 0.0,
        use_transposed_weights: bool = False,
    ) -> Output:
        in_dim = source.feature_or_sparse_dim
        if in_dim is None:
            raise self.error("from", self.node.get("from"), f"{source!r} has no feature dim")
        out_dim = self.feature_out(source)
        shape = (out_dim, in_dim) if use_transposed_weights else (in_dim, out_dim)
        w = self.param("W", shape, forward_weights_init)
        b = self.param("b", (out_dim,), bias_init) if with_bias else None
        probe = self.run.probes.get(self.node.scope)
        if probe is not None and source.sparse and not use_transposed_weights:
            y = product(source, w, out_dim)
            y = y.like(probed(y.data, probe.limit, probe.squares) + (0 if b is None else b))
        else:
            y = product(source, w.T if use_transposed_weights else w, out_dim, b)
        if grad_filter:
            y = y.like(gradient_filter(y.data, 0 if y.batch_axis is None else y.batch_axis, float(grad_filter)))
        return activations.apply(self, y, activation)


@layer("softmax")
class Softmax(Linear):
    """A linear layer whose activation is softmax; the cross-entropy loss takes it from before that.

    Input [B, …, F], output [B, …, labels]: the probabilities of a frame's labels.
    """

    def forward(self, source: Tensor, *, activation: Any = "softmax", **options: Any) -> Output:
        return super().forward(source, activation=activation, **options)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def gradient_filter(x: jax.Array, batch_axis: int, threshold: float) -> jax.Array:
    """`x`, whose gradient is dropped for each sequence in which the square of one of its elements reaches `threshold`."""
    return x


def _filtered(batch_axis: int, threshold: float, _: None, gradient: jax.Array) -> tuple[jax.Array]:
    others = tuple(i for i in range(gradient.ndim) if i != batch_axis)
    keep = jnp.max(jnp.square(gradient), others, keepdims=True) < threshold
    return (jnp.where(keep, gradient, 0),)


gradient_filter.defvjp(lambda x, batch_axis, threshold: (x, None), _filtered)


def product(x: Tensor, w: jax.Array, out_dim: Dim, b: jax.Array | None = None) -> Tensor:
    """`x · w + b` in the place of the feature dim; rows of `w`, and `b`, if `x` holds indices."""
    if x.sparse:
        dims = (*x.dims, out_dim)
        data = affine(x.data, w, b)
        return Tensor(data, dims, time_axis=x.time_axis, feature_axis=x.ndim)
    axis = x.feature_axis
    assert axis is not None
    return x.replace_dim(axis, out_dim).like(affine(x.data, w, b, axis=axis))
