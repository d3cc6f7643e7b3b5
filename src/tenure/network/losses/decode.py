"""What a network of CTC says: greedily, or by search over prefixes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


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


def beam(
    logits: jax.Array, frames: jax.Array, blank: int, width: int = 100, merge: bool = True
) -> tuple[jax.Array, jax.Array]:
    """The best label sequences by prefix search: labels [B, T] and lengths [B].

    It runs on the host, for reports only; there is no gradient.

    Args:
      logits: [B, T, N].
      frames: [B], how many frames count.
      blank: the index of the blank.
      width: how many prefixes are kept.
      merge: whether equal neighbours in the result are made one, as TensorFlow's decoder does by default.
    """
    shape = logits.shape[:2]
    out = (jax.ShapeDtypeStruct(shape, jnp.int32), jax.ShapeDtypeStruct(shape[:1], jnp.int32))

    def run(x: jax.Array, n: jax.Array) -> tuple[np.ndarray, np.ndarray]:
        found = [search(np.asarray(x)[i, : int(n[i])], blank, width, merge) for i in range(shape[0])]
        labels = np.zeros(shape, np.int32)
        for row, of in zip(labels, found, strict=True):
            row[: len(of)] = of
        return labels, np.asarray([len(of) for of in found], np.int32)

    return jax.pure_callback(run, out, jax.nn.log_softmax(jax.lax.stop_gradient(logits)), frames)


def search(log_probs: np.ndarray, blank: int, width: int, merge: bool) -> list[int]:
    """Prefix search over one sequence [T, N] of log probabilities.

    A prefix has two scores: of the paths that end in a blank, and of those that end in its last label.

    >>> search(np.log([[0.1, 0.9], [0.9, 0.1]]), blank=0, width=4, merge=True)
    [1]
    """
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    for frame in log_probs:
        new: dict[tuple[int, ...], tuple[float, float]] = {}

        def add(prefix: tuple[int, ...], by_blank: float, by_label: float, new: dict = new) -> None:
            old = new.get(prefix, (-np.inf, -np.inf))
            new[prefix] = (float(np.logaddexp(old[0], by_blank)), float(np.logaddexp(old[1], by_label)))

        likely = np.argsort(-frame, kind="stable")[: width + 2]
        for prefix, (ends_blank, ends_label) in beams.items():
            total = float(np.logaddexp(ends_blank, ends_label))
            add(prefix, total + frame[blank], ends_label + frame[prefix[-1]] if prefix else -np.inf)
            for label in likely:
                if label != blank:
                    before = ends_blank if prefix and prefix[-1] == label else total
                    add((*prefix, int(label)), -np.inf, before + frame[label])
        ranked = sorted(new.items(), key=lambda item: -np.logaddexp(*item[1]))
        beams = dict(ranked[:width])
    best = max(beams, key=lambda prefix: np.logaddexp(*beams[prefix]))
    return [a for i, a in enumerate(best) if not (merge and i and best[i - 1] == a)]
