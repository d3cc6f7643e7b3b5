"""Sampled softmax and noise contrastive estimation: the loss of a few classes instead of all."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Sample(NamedTuple):
    """Classes that stand for all others.

    Attributes:
      classes: [S], all different.
      expected: [N], how often each class is expected in a sample.
    """

    classes: jax.Array
    expected: jax.Array


def noise(kind: str, classes: int) -> np.ndarray:
    """The distribution [N] that samples come from: "uniform", or "log_uniform" (Zipf's, of classes sorted by frequency).

    >>> noise("log_uniform", 3).round(2)
    array([0.5 , 0.29, 0.21])
    """
    if kind == "uniform":
        return np.full(classes, 1 / classes)
    if kind == "log_uniform":
        place = np.arange(classes)
        return np.log((place + 2) / (place + 1)) / np.log(classes + 1)
    raise ValueError(f"the sampler {kind!r} is neither 'uniform' nor 'log_uniform'")


def tries(probs: np.ndarray, size: int) -> float:
    """How many draws give `size` different classes on average, by bisection."""
    low, high = float(size), float(size)
    while -np.expm1(high * np.log1p(-probs)).sum() < size and high < 1e9:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        found = -np.expm1(middle * np.log1p(-probs)).sum()
        low, high = (middle, high) if found < size else (low, middle)
    return high


def sample(key: jax.Array, probs: np.ndarray, size: int) -> Sample:
    """Draws `size` different classes, as drawing with repeats until there are so many would.

    That is what the largest `size` of log probabilities with Gumbel noise are (Vieira 2014).
    """
    clipped = np.minimum(probs, 1 - 1e-7)
    scores = jnp.log(jnp.asarray(probs, jnp.float32)) + jax.random.gumbel(key, probs.shape)
    _, classes = jax.lax.top_k(scores, size)
    expected = -np.expm1(tries(clipped, size) * np.log1p(-clipped))
    return Sample(classes, jnp.asarray(expected, jnp.float32))


def logits_of(
    weights: jax.Array, biases: jax.Array, inputs: jax.Array, labels: jax.Array, drawn: Sample, remove_hits: bool
) -> tuple[jax.Array, jax.Array]:
    """Logits of the true class [...] and of the sampled ones [..., S], less the log of how often they are expected.

    Args:
      weights: [N, D].
      biases: [N].
      inputs: [..., D].
      labels: [...].
      drawn: the sample.
      remove_hits: whether a sampled class that is the true one is left out.
    """
    true = jnp.sum(inputs * weights[labels], axis=-1) + biases[labels] - jnp.log(drawn.expected[labels])
    other = inputs @ weights[drawn.classes].T + biases[drawn.classes] - jnp.log(drawn.expected[drawn.classes])
    if remove_hits:
        other = jnp.where(drawn.classes == labels[..., None], -3.4e38, other)
    return true, other


def sampled_softmax(true: jax.Array, other: jax.Array) -> jax.Array:
    """Cross entropy [...] among the true and the sampled classes: Jean et al. 2014, https://arxiv.org/abs/1412.2007.

    >>> sampled_softmax(jnp.zeros(1), jnp.zeros((1, 3))).round(3)  # one of four
    Array([1.386], dtype=float32)
    """
    return jax.scipy.special.logsumexp(jnp.concatenate([true[..., None], other], axis=-1), axis=-1) - true


def noise_contrastive(true: jax.Array, other: jax.Array, log_norm: float = 0.0) -> jax.Array:
    """Noise contrastive estimation [...]: Gutmann & Hyvärinen 2010."""
    return jax.nn.softplus(-(true - log_norm)) + jnp.sum(jax.nn.softplus(other - log_norm), axis=-1)
