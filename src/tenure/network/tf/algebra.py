"""Products, norms, cross entropies, and what controls gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network.tf.static import array, on_jax

Function = Callable[..., Any]


def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    name: str | None = None,
) -> jax.Array:
    """The product of matrices in the last two axes, each transposed first if asked."""
    a = jnp.swapaxes(a, -1, -2) if transpose_a or adjoint_a else jnp.asarray(a)
    b = jnp.swapaxes(b, -1, -2) if transpose_b or adjoint_b else jnp.asarray(b)
    return jnp.matmul(jnp.conj(a) if adjoint_a else a, jnp.conj(b) if adjoint_b else b)


def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> jax.Array:
    """The product over these axes."""
    return jnp.tensordot(a, b, axes)


def norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False, name: Any = None) -> jax.Array:
    """The norm over axes, of everything by default."""
    tensor = jnp.asarray(tensor)
    if ord in ("euclidean", "fro", 2):
        return jnp.sqrt(jnp.sum(jnp.square(jnp.abs(tensor)), axis, keepdims=keepdims))
    return jnp.linalg.norm(tensor, ord, axis, keepdims)


def l2_normalize(
    x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None
) -> jax.Array:
    """`x` over its norm, whose square is at least `epsilon`."""
    axis = dim if axis is None else axis
    square = jnp.sum(jnp.square(x), axis, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, epsilon))


def _softmax(function: Function) -> Function:
    def call(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> jax.Array:
        return function(logits, axis=-1 if axis is None and dim is None else dim if axis is None else axis)

    return call


def sigmoid_cross_entropy_with_logits(labels: Any = None, logits: Any = None, name: str | None = None) -> jax.Array:
    """`-labels log σ(logits) - (1 - labels) log(1 - σ(logits))`."""
    logits = jnp.asarray(logits)
    return jnp.maximum(logits, 0) - logits * labels + jnp.log1p(jnp.exp(-jnp.abs(logits)))


def softmax_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, axis: int = -1, name: Any = None
) -> jax.Array:
    """The cross entropy of distributions along an axis."""
    return -jnp.sum(labels * jax.nn.log_softmax(logits, axis), axis)


def sparse_softmax_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, name: str | None = None
) -> jax.Array:
    """The cross entropy of classes, along the last axis."""
    scores = jax.nn.log_softmax(jnp.asarray(logits))
    return -jnp.take_along_axis(scores, jnp.asarray(labels)[..., None], -1)[..., 0]


def identity(input: Any, *others: Any, **keywords: Any) -> Any:
    """The first argument."""
    return array(input)


def table() -> dict[str, Function]:
    """All of them by TensorFlow's name."""
    return {
        "Print": identity,
        "bias_add": lambda value, bias, data_format=None, name=None: value + bias,
        "einsum": lambda equation, *inputs, name=None: jnp.einsum(equation, *inputs),
        "embedding_lookup": lambda params, ids, name=None: jnp.take(params, ids, axis=0, mode="clip"),
        "identity": identity,
        "l2_loss": on_jax(lambda x: jnp.sum(jnp.square(x)) / 2),
        "l2_normalize": l2_normalize,
        "log_softmax": _softmax(jax.nn.log_softmax),
        "matmul": matmul,
        "norm": norm,
        "sigmoid_cross_entropy_with_logits": sigmoid_cross_entropy_with_logits,
        "softmax": _softmax(jax.nn.softmax),
        "softmax_cross_entropy_with_logits": softmax_cross_entropy_with_logits,
        "softmax_cross_entropy_with_logits_v2": softmax_cross_entropy_with_logits,
        "sparse_softmax_cross_entropy_with_logits": sparse_softmax_cross_entropy_with_logits,
        "stop_gradient": on_jax(jax.lax.stop_gradient),
        "tensordot": tensordot,
    }
