"""Dot-product attention, after the projections to heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np


def attend(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    mask: jax.Array | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
    bias: jax.Array | None = None,
    masked: float = -1e30,
    change: Callable[[jax.Array], jax.Array] | None = None,
) -> jax.Array:
    """`softmax(Q Kᵀ scale + bias) V`, head by head.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762.

    Args:
      query: [..., T', heads, K].
      key: [..., T, heads, K]; with fewer heads, each one serves several heads of the queries in a row.
      value: [..., T, heads, V], with as many heads as the keys.
      mask: True where a query may look at a key; broadcasts to [..., heads, T', T].
      causal: whether query t sees keys 0 … t only.
      scale: None for `1 / √K`.
      bias: [..., heads, T', T], added to the scaled products.
      masked: what stands in for products where the mask is False. A query that sees no key at all gets the mean of all
        values if it is finite, and zeros if it is -inf.
      change: a function of the weights [..., heads, T', T], such as dropout.

    Returns:
      [..., T', heads, V].

    >>> x = jnp.arange(3.0).reshape(1, 3, 1, 1)
    >>> attend(0 * x, x, x, causal=True).ravel()
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    groups = query.shape[-2] // key.shape[-2]
    if groups > 1:
        key, value = jnp.repeat(key, groups, axis=-2), jnp.repeat(value, groups, axis=-2)
    if causal:
        seen = jnp.tril(jnp.ones((query.shape[-3], key.shape[-3]), bool))
        mask = seen if mask is None else mask & seen
    logits = jnp.einsum("...thd,...Thd->...htT", query, key)
    if scale is None:
        logits = logits / np.sqrt(key.shape[-1]).astype(key.dtype)
    elif scale != 1:
        logits = logits * scale
    weights = attention_weights(logits if bias is None else logits + bias, mask, masked)
    return jnp.einsum("...htT,...Thd->...thd", weights if change is None else change(weights), value)


def attention_weights(energy: jax.Array, mask: jax.Array | None = None, masked: float = -jnp.inf) -> jax.Array:
    """The softmax of energies [..., T] over those keys that the mask, [..., T], lets count.

    Args:
      energy: [..., T].
      mask: which keys count, [..., T]; None for all.
      masked: the energy of those that do not.

    >>> attention_weights(jnp.zeros(3), jnp.array([True, True, False]))
    Array([0.5, 0.5, 0. ], dtype=float32)
    """
    if mask is None:
        return jax.nn.softmax(energy, axis=-1)
    energy = jnp.where(mask, energy, masked)
    return softmax_of(energy, -1) if masked == -jnp.inf else jax.nn.softmax(energy, axis=-1)


def softmax_of(x: jax.Array, axes: int | tuple[int, ...], *, log: bool = False) -> jax.Array:
    """Softmax, or its logarithm, over axes; -inf has no probability, and nothing has where all is -inf.

    Args:
      x: any array.
      axes: what probabilities add up to 1 over.
      log: whether to return logarithms.

    >>> softmax_of(jnp.array([[-jnp.inf, -jnp.inf], [0.0, -jnp.inf]]), -1).tolist()
    [[0.0, 0.0], [1.0, 0.0]]
    """
    if not all(n for n in x.shape if isinstance(n, int)):
        return x
    nothing = jnp.max(x, axes, keepdims=True) == -jnp.inf
    y = (jax.nn.log_softmax if log else jax.nn.softmax)(jnp.where(nothing, 0, x), axis=axes)
    return jnp.where(nothing, -jnp.inf if log else 0, y)


def with_weights(energy: jax.Array, value: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """The mean [..., V] of values [..., T, V] by the softmax of energies [..., T].

    Args:
      energy: [..., T].
      value: [..., T, V].
      mask: which keys count, [..., T]; None for all.

    >>> with_weights(jnp.zeros(2), jnp.array([[1.0], [3.0]]))
    Array([2.], dtype=float32)
    """
    return jnp.einsum("...t,...tf->...f", attention_weights(energy, mask), value)


def fused(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    mask: jax.Array | None = None,
    *,
    causal: bool = False,
    implementation: Literal["xla", "cudnn"] | None = None,
) -> jax.Array | None:
    """`attend` by `jax.nn.dot_product_attention`; None if it does not take the shapes.

    >>> x = jnp.arange(3.0).reshape(1, 3, 1, 1)
    >>> fused(0 * x, x, x, causal=True).ravel()
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    if key.shape != value.shape or query.ndim not in (3, 4):
        return None
    mask = None if mask is None else mask.astype(bool)
    return jax.nn.dot_product_attention(query, key, value, mask=mask, is_causal=causal, implementation=implementation)
