"""Losses of single frames: arrays in, one number a frame out. Masking and summing are done by who calls them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def pick(values: jax.Array, labels: jax.Array) -> jax.Array:
    """`values[..., labels]`: one entry [...] of each row [..., N]. Labels outside of the range take the nearest one.

    >>> pick(jnp.asarray([[1, 2], [3, 4]]), jnp.asarray([1, 0]))
    Array([2, 3], dtype=int32)
    """
    return jnp.take_along_axis(values, _within(labels, values.shape[-1])[..., None], axis=-1)[..., 0]


def _within(labels: jax.Array, classes: int) -> jax.Array:
    """The labels, or the nearest class; in a dtype that holds all classes, as `uint8` does not."""
    return jnp.clip(jnp.asarray(labels).astype(jnp.int32), 0, classes - 1)


def smoothing_floor(classes: int, smoothing: float) -> jax.Array:
    """The cross entropy that smoothed targets have at best, which is taken off so that a perfect model reaches 0."""
    confidence, low = 1.0 - smoothing, smoothing / (classes - 1)
    return -(confidence * jnp.log(confidence) + (classes - 1) * low * jnp.log(low + 1e-20))


def smoothed_targets(labels: jax.Array, classes: int, smoothing: float, gaussian: bool = False) -> jax.Array:
    """Label smoothing: [...] labels as distributions [..., classes].

    Args:
      labels: the classes.
      classes: how many there are.
      smoothing: the probability that goes to other classes.
      gaussian: whether neighbours get more of it; then the density of a normal distribution of deviation
        1 - `smoothing`, which does not sum to one.
    """
    if gaussian:
        scale = 1.0 - smoothing
        return jax.scipy.stats.norm.pdf(jnp.arange(classes), labels[..., None].astype(jnp.float32), scale)
    hot = jax.nn.one_hot(labels, classes)
    return hot * (1.0 - smoothing) + (1.0 - hot) * (smoothing / (classes - 1))


def cross_entropy(log_probs: jax.Array, target: jax.Array) -> jax.Array:
    """The cross entropy [...] of log probabilities [..., N] with labels [...] or distributions [..., N].

    >>> cross_entropy(jnp.log(jnp.asarray([[0.5, 0.5]])), jnp.asarray([1])).round(3)
    Array([0.693], dtype=float32)
    """
    if jnp.ndim(target) < jnp.ndim(log_probs):
        return -pick(log_probs, target)
    return -jnp.sum(target * log_probs, axis=-1)


@jax.custom_jvp
def softmax_cross_entropy(logits: jax.Array, target: jax.Array) -> jax.Array:
    """The cross entropy [...] of a softmax with labels [...] or distributions [..., N].

    Its gradient is `softmax(logits) - target`, as TensorFlow has it, also where `target` does not sum to one; with labels
    that is one pass over the logits, where JAX would scatter the label's part into zeros.

    >>> jax.grad(softmax_cross_entropy)(jnp.zeros(2), jnp.asarray(1)).tolist()
    [0.5, -0.5]
    """
    if jnp.ndim(target) == jnp.ndim(logits):
        return cross_entropy(jax.nn.log_softmax(logits), target)
    top = jnp.max(logits, axis=-1)
    return jnp.log(jnp.sum(jnp.exp(logits - top[..., None]), axis=-1)) - (pick(logits, target) - top)


@softmax_cross_entropy.defjvp
def _softmax_cross_entropy_jvp(primals: Any, tangents: Any) -> Any:
    (logits, target), (dot, _) = primals, tangents
    loss = softmax_cross_entropy(logits, target)
    if jnp.ndim(target) < jnp.ndim(logits):
        labels = _within(target, logits.shape[-1])[..., None]
        target = (jnp.arange(logits.shape[-1]) == labels).astype(logits.dtype)
    return loss, jnp.sum((jax.nn.softmax(logits) - target) * dot, axis=-1)


def focal(loss: jax.Array, target_probs: jax.Array, factor: float) -> jax.Array:
    """Less weight for what is right already: Lin et al. 2017, https://arxiv.org/abs/1708.02002."""
    return loss * (1.0 - target_probs) ** factor


def bounded(loss: jax.Array, bound: float) -> jax.Array:
    """At most `bound`, with the gradient of what was above it."""
    return loss + jax.lax.stop_gradient(jnp.minimum(loss, bound) - loss)


def binary_cross_entropy(logits: jax.Array, target: jax.Array, pos_weight: float | None = None) -> jax.Array:
    """`-(w t log σ(x) + (1 - t) log(1 - σ(x)))`, entry by entry.

    >>> binary_cross_entropy(jnp.zeros(1), jnp.ones(1)).round(3)
    Array([0.693], dtype=float32)
    """
    target = target.astype(logits.dtype)
    weight = 1.0 if pos_weight is None else 1.0 + (pos_weight - 1.0) * target
    softplus = jnp.log1p(jnp.exp(-jnp.abs(logits))) + jnp.maximum(-logits, 0)
    return (1 - target) * logits + weight * softplus


def wrong(scores: jax.Array, target: jax.Array) -> jax.Array:
    """1 where the best class [...] of scores [..., N] is not the target's, else 0.

    >>> wrong(jnp.asarray([[0.2, 0.8], [0.6, 0.4]]), jnp.asarray([1, 1]))
    Array([0., 1.], dtype=float32)
    """
    if jnp.ndim(target) == jnp.ndim(scores):
        target = jnp.argmax(target, axis=-1)
    return (_first_best(scores) != target).astype(jnp.float32)


def _first_best(scores: jax.Array) -> jax.Array:
    """`argmax` over the last axis, of which XLA on CPUs makes two fast reductions; NaN is nowhere the best."""
    classes = scores.shape[-1]
    best = scores == jnp.max(scores, axis=-1, keepdims=True)
    return jnp.min(jnp.where(best, jnp.arange(classes), classes), axis=-1)
