"""BLEU: Papineni et al. 2002, https://aclanthology.org/P02-1040, of one sequence at a time."""

from __future__ import annotations

import jax
import jax.numpy as jnp

ORDERS = 4


def bleu(a: jax.Array, a_lengths: jax.Array, b: jax.Array, b_lengths: jax.Array) -> jax.Array:
    """How well each sequence of `a` translates what that of `b` does: between 0 and 1.

    An order without any match counts as 1/2, 1/4, … of a match: Chen and Cherry 2014,
    https://aclanthology.org/W14-3346, method 3. An order that `a` is too short for is left out of the product.

    Args:
      a: [B, M] labels, the hypotheses.
      a_lengths: [B].
      b: [B, N] labels, the references.
      b_lengths: [B].

    Returns:
      [B] scores.

    >>> x, n = jnp.asarray([[1, 2, 3, 4, 5]]), jnp.asarray([5])
    >>> bleu(x, n, x, n)
    Array([1.], dtype=float32)
    >>> bleu(x, jnp.asarray([4]), x, n)  # all is right, but 4 of 5 is too short: exp(1 - 5 / 4)
    Array([0.7788008], dtype=float32)
    """
    logs, smooth, best = jnp.zeros(len(a)), jnp.ones(len(a)), jnp.zeros(len(a))
    for order in range(1, ORDERS + 1):
        possible = jnp.maximum(a_lengths - order + 1, 0).astype(jnp.float32)
        matches = _matches(a, a_lengths, b, b_lengths, order)
        smooth = jnp.where((possible > 0) & (matches == 0), smooth * 2, smooth)
        precision = jnp.where(matches > 0, matches, 1 / smooth) / jnp.maximum(possible, 1)
        logs += jnp.where(possible > 0, jnp.log(precision), 0)
        best = jnp.maximum(best, possible)
    ratio = a_lengths / jnp.maximum(b_lengths, 1)
    brevity = jnp.where(ratio < 1, jnp.exp(1 - 1 / jnp.maximum(ratio, 1e-30)), 1)
    return jnp.where(best > 0, jnp.exp(logs / ORDERS) * brevity, 0)


def _matches(a: jax.Array, a_lengths: jax.Array, b: jax.Array, b_lengths: jax.Array, order: int) -> jax.Array:
    """How many n-grams of `a` [B] are in `b`, each at most as often as it is there."""
    of_a, of_b = _ngrams(a, order), _ngrams(b, order)
    in_a = jnp.arange(of_a.shape[1]) <= (a_lengths - order)[:, None]
    in_b = jnp.arange(of_b.shape[1]) <= (b_lengths - order)[:, None]
    here = jnp.sum(jnp.all(of_a[:, :, None] == of_a[:, None], -1) & in_a[:, None], axis=2)
    there = jnp.sum(jnp.all(of_a[:, :, None] == of_b[:, None], -1) & in_b[:, None], axis=2)
    share = jnp.minimum(here, there) / jnp.maximum(here, 1)  # each of `here` equal n-grams counts its part
    return jnp.round(jnp.sum(jnp.where(in_a, share, 0), axis=1))


def _ngrams(x: jax.Array, order: int) -> jax.Array:
    """[B, T, order]: what starts at each place; places near the end go around, and are not counted."""
    return jnp.stack([jnp.roll(x, -i, axis=1) for i in range(order)], axis=-1)
