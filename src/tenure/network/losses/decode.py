"""What a network of CTC says: greedily, or by search over prefixes."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tenure.functional.decoding import ctc_search


def packed(labels: jax.Array, keep: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The entries of [B, T] that are kept, moved to the front, and how many there are [B].

    >>> packed(jnp.asarray([[1, 2, 3]]), jnp.asarray([[False, True, True]]))[0]
    Array([[2, 3, 0]], dtype=int32)
    """
    order = jnp.argsort(~keep, axis=1, stable=True)
    count = jnp.sum(keep, axis=1)
    moved = jnp.take_along_axis(labels, order, axis=1)
    return jnp.where(jnp.arange(labels.shape[1]) < count[:, None], moved, 0), count


def without_repeats(labels: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Sequences [B, T] with each run of equal labels made one, and their lengths [B]."""
    valid = jnp.arange(labels.shape[1]) < lengths[:, None]
    new = jnp.pad(labels[:, 1:] != labels[:, :-1], ((0, 0), (1, 0)), constant_values=True)
    return packed(labels, valid & new)


def greedy(logits: jax.Array, frames: jax.Array, blank: int, merge: bool = True) -> tuple[jax.Array, jax.Array]:
    """The best label of each frame [B, T, N], runs made one, blanks dropped: labels [B, T] and lengths [B].

    >>> x = jax.nn.one_hot(jnp.asarray([[1, 1, 0, 1]]), 2)
    >>> greedy(x, jnp.asarray([4]), blank=0)
    (Array([[1, 1, 0, 0]], dtype=int32), Array([2], dtype=int32))
    """
    best = jnp.argmax(logits, axis=-1).astype(jnp.int32)
    keep = (jnp.arange(best.shape[1]) < frames[:, None]) & (best != blank)
    if merge:
        keep &= jnp.pad(best[:, 1:] != best[:, :-1], ((0, 0), (1, 0)), constant_values=True)
    return packed(best, keep)


def beam(logits: jax.Array, frames: jax.Array, blank: int, width: int = 100) -> tuple[jax.Array, jax.Array]:
    """The best label sequences by prefix search: labels [B, T] and lengths [B]; there is no gradient.

    Args:
      logits: [B, T, N].
      frames: [B], how many frames count.
      blank: the index of the blank.
      width: how many prefixes are kept.

    >>> x = jnp.log(jnp.asarray([[[0.1, 0.9], [0.9, 0.1]]]))
    >>> beam(x, jnp.asarray([2]), blank=0, width=4)
    (Array([[1, 0]], dtype=int32), Array([1], dtype=int32))
    """
    scores = jax.nn.log_softmax(jax.lax.stop_gradient(logits))
    found = ctc_search(scores, frames, blank=blank, beam=width, best=1)
    return found.labels[:, 0], found.lengths[:, 0]
