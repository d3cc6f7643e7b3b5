"""Products, norms, cross entropies, random numbers, and what controls gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.rng import next_rng_key
from tenure.functional import dropped
from tenure.network.tf.static import array, dtype_of, on_jax, shape_of

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


def dropout(
    x: Any,
    keep_prob: float | None = None,
    noise_shape: Any = None,
    seed: Any = None,
    name: Any = None,
    rate: float | None = None,
) -> Any:
    """`x` with entries set to zero, and the others scaled up."""
    x = jnp.asarray(x)
    keep = keep_prob if rate is None else 1 - rate
    if keep is None or keep >= 1:
        return x
    shape = x.shape if noise_shape is None else shape_of(noise_shape)
    return dropped(next_rng_key(), 1.0 - keep, x, shape).astype(x.dtype)


def random_uniform(
    shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = "float32", seed: Any = None, name: Any = None
) -> jax.Array:
    """Numbers from `minval` to before `maxval`."""
    to, sizes = dtype_of(dtype), shape_of(shape)
    if jnp.issubdtype(to, jnp.integer):
        return jax.random.randint(next_rng_key(), sizes, minval, maxval, to)
    return jax.random.uniform(next_rng_key(), sizes, to, minval, 1 if maxval is None else maxval)


def random_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", seed: Any = None, name: Any = None
) -> jax.Array:
    """Normal numbers."""
    return mean + stddev * jax.random.normal(next_rng_key(), shape_of(shape), dtype_of(dtype))


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", seed: Any = None, name: Any = None
) -> jax.Array:
    """Normal numbers, not further than two deviations from the mean."""
    return mean + stddev * jax.random.truncated_normal(next_rng_key(), -2, 2, shape_of(shape), dtype_of(dtype))


def cond(
    pred: Any,
    true_fn: Function | None = None,
    false_fn: Function | None = None,
    name: Any = None,
    fn1: Any = None,
    fn2: Any = None,
) -> Any:
    """One of two results; both are computed where the condition is not known."""
    true_fn, false_fn = true_fn or fn1, false_fn or fn2
    if isinstance(pred, bool):
        return (true_fn if pred else false_fn)()
    return jax.tree.map(lambda a, b: jnp.where(pred, a, b), true_fn(), false_fn())


def _identity(input: Any, *others: Any, **keywords: Any) -> Any:
    return array(input)


def _nothing(*args: Any, **keywords: Any) -> None:
    """Assertions and side effects of TensorFlow 1 have no place in a pure function."""


def table() -> dict[str, Function]:
    """All of them by TensorFlow's name."""
    return {
        "Print": _identity,
        "bias_add": lambda value, bias, data_format=None, name=None: value + bias,
        "cond": cond,
        "dropout": dropout,
        "einsum": lambda equation, *inputs, name=None: jnp.einsum(equation, *inputs),
        "embedding_lookup": lambda params, ids, name=None: jnp.take(params, ids, axis=0, mode="clip"),
        "identity": _identity,
        "l2_loss": on_jax(lambda x: jnp.sum(jnp.square(x)) / 2),
        "l2_normalize": l2_normalize,
        "log_softmax": _softmax(jax.nn.log_softmax),
        "matmul": matmul,
        "norm": norm,
        "random_normal": random_normal,
        "random_uniform": random_uniform,
        "sigmoid_cross_entropy_with_logits": sigmoid_cross_entropy_with_logits,
        "softmax": _softmax(jax.nn.softmax),
        "softmax_cross_entropy_with_logits": softmax_cross_entropy_with_logits,
        "softmax_cross_entropy_with_logits_v2": softmax_cross_entropy_with_logits,
        "sparse_softmax_cross_entropy_with_logits": sparse_softmax_cross_entropy_with_logits,
        "stop_gradient": on_jax(jax.lax.stop_gradient),
        "tensordot": tensordot,
        "truncated_normal": truncated_normal,
        **dict.fromkeys(("Assert", "assert_equal", "assert_greater", "assert_less", "group", "no_op"), _nothing),
    }
