"""Losses on embeddings: triplets, and deep clustering."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def pairs(embeddings: jax.Array, labels: jax.Array, margin: float) -> jax.Array:
    """Distances of all pairs of one class, and what pairs of two classes lack to a margin; half of it, pairs counted twice.

    Args:
      embeddings: [M, F].
      labels: [M].
      margin: of cosine distances.

    Returns:
      A number.
    """
    square = jnp.sum(jnp.square(embeddings), axis=1, keepdims=True)
    unit = embeddings * jax.lax.rsqrt(jnp.maximum(square, 1e-15))
    distance = 1.0 - unit @ unit.T
    column, row = labels[:, None], labels[None]
    same = column * row == jnp.square(row)
    return 0.5 * jnp.sum(jnp.where(same, distance, jnp.maximum(margin - distance, 0.0)))


def triplets(output: jax.Array, labels: jax.Array, margin: float, multi_view: bool = False) -> jax.Array:
    """Triplet loss of anchors, samples of the same class and samples of others, side by side in the features.

    Args:
      output: [B, 3 F], or [B, 6 F] for two views of each.
      labels: [B, 3], of anchor, same and different sample.
      margin: of cosine distances.
      multi_view: whether there are two views.

    Returns:
      A number.

    Source: Hoffer & Ailon 2014, https://arxiv.org/abs/1412.6622; two views: He et al. 2016,
    https://arxiv.org/abs/1611.04496.
    """
    classes = jnp.concatenate([labels[:, 0], labels[:, 1], labels[:, 2]])
    if not multi_view:
        return pairs(jnp.concatenate(jnp.split(output, 3, axis=1)), classes, margin)
    a, a_same, a_other, _, c_same, c_other = jnp.split(output, 6, axis=1)
    first, second = jnp.concatenate([a, c_same, c_other]), jnp.concatenate([a_same, c_same, a_other])
    return pairs(first, classes, margin) + pairs(second, classes, margin)


def deep_clustering(output: jax.Array, target: jax.Array, mask: jax.Array, embedding: int, sources: int) -> jax.Array:
    """Deep clustering, one number a sequence [B].

    Args:
      output: [B, T, K * embedding], an embedding for each of K bins.
      target: [B, T, K * sources], which source each bin belongs to.
      mask: [B, T], which frames count.
      embedding: the size of an embedding.
      sources: how many sources there are.

    Source: Hershey et al. 2016, https://arxiv.org/abs/1508.04306.
    """
    weight = mask[..., None]
    v = jnp.where(weight, output, 0).reshape(len(output), -1, embedding)
    y = jnp.where(weight, target, 0).reshape(len(target), -1, sources)

    def square(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.sum(jnp.square(jnp.einsum("bne,bnf->bef", a, b)), axis=(1, 2))

    return square(v, v) - 2 * square(v, y) + square(y, y)
