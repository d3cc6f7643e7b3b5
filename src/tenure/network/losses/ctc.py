"""Connectionist temporal classification: Graves et al. 2006, "Connectionist temporal classification: labelling
unsegmented sequence data with recurrent neural networks".

The states of a sequence of labels are blank, first label, blank, second label, …, blank.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

IMPOSSIBLE = -1e30


@dataclasses.dataclass(frozen=True)
class Topology:
    """Which label sequences a path through the frames stands for.

    Attributes:
      blank: the index of the blank.
      label_loop: whether a label may last for several frames; then equal neighbours need a blank between them.
    """

    blank: int
    label_loop: bool = True


class Automaton(NamedTuple):
    """States of a batch of label sequences, S = 2 L + 1 of them.

    Attributes:
      labels: [B, S], what each state emits.
      stay: [B, S], whether it may last.
      skip: [B, S], whether it may follow the one two before.
      last: [B], the last state.
    """

    labels: jax.Array
    stay: jax.Array
    skip: jax.Array
    last: jax.Array


def automaton(labels: jax.Array, lengths: jax.Array, topology: Topology) -> Automaton:
    """The states of labels [B, L] of which `lengths` [B] count.

    >>> automaton(jnp.asarray([[1, 1]]), jnp.asarray([2]), Topology(0)).skip
    Array([[False, False, False, False, False]], dtype=bool)
    """
    batch, length = labels.shape
    blanks = jnp.full((batch, length + 1), topology.blank, labels.dtype)
    states = jnp.stack([blanks[:, :-1], labels], axis=2).reshape(batch, 2 * length)
    states = jnp.concatenate([states, blanks[:, -1:]], axis=1)
    odd = jnp.arange(2 * length + 1) % 2 == 1
    before = jnp.pad(states, ((0, 0), (2, 0)), constant_values=-1)[:, : 2 * length + 1]
    skip = odd & (jnp.arange(2 * length + 1) >= 2) & ((states != before) | (not topology.label_loop))
    stay = jnp.broadcast_to(~odd | topology.label_loop, skip.shape)
    return Automaton(states, stay, skip, 2 * lengths)


def _arrivals(alpha: jax.Array, states: Automaton) -> jax.Array:
    """[B, S, 3]: the scores with which a state is reached from itself, from the one before, and from two before."""
    shifted = [jnp.pad(alpha, ((0, 0), (n, 0)), constant_values=IMPOSSIBLE)[:, : alpha.shape[1]] for n in range(3)]
    shifted[0] = jnp.where(states.stay, shifted[0], IMPOSSIBLE)
    shifted[2] = jnp.where(states.skip, shifted[2], IMPOSSIBLE)
    return jnp.stack(shifted, axis=-1)


def _start(emits: jax.Array) -> jax.Array:
    """[B, S]: the scores after the first frame of [T, B, S]; there may be none."""
    if isinstance(emits.shape[0], int) and not emits.shape[0]:
        return jnp.full(emits.shape[1:], IMPOSSIBLE)
    return jnp.where(jnp.arange(emits.shape[2]) < 2, emits[0], IMPOSSIBLE)


def _end(alpha: jax.Array, states: Automaton) -> jax.Array:
    """[B, 2]: the scores of ending in the last blank, and in the last label."""
    ends = jnp.stack([states.last, states.last - 1], axis=1)
    scores = jnp.take_along_axis(alpha, jnp.maximum(ends, 0), axis=1)
    return jnp.where(ends >= 0, scores, IMPOSSIBLE)


def scores(
    log_probs: jax.Array,
    frames: jax.Array,
    labels: jax.Array,
    lengths: jax.Array,
    topology: Topology,
    best: bool = False,
) -> jax.Array:
    """The log probability [B] of label sequences: over all paths, or of the best one.

    Its gradient by `log_probs` is how often each label is used at each frame, which is the soft alignment.

    Args:
      log_probs: [B, T, N].
      frames: [B], how many frames count.
      labels: [B, L].
      lengths: [B], how many labels count.
      topology: of the paths.
      best: whether to take the best path instead of the sum over all.

    Returns:
      The scores; about `IMPOSSIBLE` where no path fits.

    >>> x = jnp.log(jnp.full((1, 2, 2), 0.5))
    >>> jnp.exp(scores(x, jnp.asarray([2]), jnp.asarray([[1]]), jnp.asarray([1]), Topology(0)))  # 01, 10 and 11
    Array([0.75], dtype=float32)
    """
    states = automaton(labels, lengths, topology)
    emits = _emissions(log_probs, states)
    reduce = jnp.max if best else jax.scipy.special.logsumexp

    def step(alpha: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        emit, t = inputs
        new = jnp.maximum(reduce(_arrivals(alpha, states), axis=-1), IMPOSSIBLE) + emit
        return jnp.where((t < frames)[:, None], jnp.maximum(new, IMPOSSIBLE), alpha), None

    alpha, _ = jax.lax.scan(step, _start(emits), (emits[1:], jnp.arange(1, emits.shape[0])))
    total = reduce(_end(alpha, states), axis=-1)
    return jnp.where(frames > 0, total, jnp.where(lengths == 0, 0.0, IMPOSSIBLE))


def _emissions(log_probs: jax.Array, states: Automaton) -> jax.Array:
    """[T, B, S]: the score with which each state emits at each frame."""
    index = jnp.broadcast_to(states.labels[:, None], (*log_probs.shape[:2], states.labels.shape[1]))
    emits = jnp.take_along_axis(log_probs, jnp.clip(index.astype(jnp.int32), 0, log_probs.shape[-1] - 1), axis=2)
    return jnp.swapaxes(jnp.maximum(emits, IMPOSSIBLE), 0, 1)


@dataclasses.dataclass(frozen=True)
class NoPath:
    """What a sequence is worth that has no path, because it has too few frames for its labels.

    Attributes:
      loss: its loss.
      flat_gradient: whether its gradient is the softmax of each frame, as TensorFlow has it, instead of zero.
      ignore_longer: whether sequences with more labels than frames count nothing at all.
    """

    loss: float = float("inf")
    flat_gradient: bool = True
    ignore_longer: bool = False


def loss(
    logits: jax.Array,
    frames: jax.Array,
    labels: jax.Array,
    lengths: jax.Array,
    topology: Topology,
    *,
    normalized: bool = False,
    best: bool = False,
    no_path: NoPath = NoPath(),
) -> jax.Array:
    """The negative log probability [B] of label sequences.

    Args:
      logits: [B, T, N], of the labels and the blank.
      frames: [B], how many frames count.
      labels: [B, L].
      lengths: [B], how many labels count.
      topology: of the paths.
      normalized: whether the logits are log probabilities already.
      best: whether to take the best path instead of all.
      no_path: what sequences are worth that have none.
    """
    log_probs = logits if normalized else jax.nn.log_softmax(logits)
    total = scores(log_probs, frames, labels, lengths, topology, best)
    instead = jnp.full(total.shape, no_path.loss)
    if no_path.flat_gradient:
        norms = jax.scipy.special.logsumexp(logits, axis=-1)
        flat = jnp.sum(jnp.where(jnp.arange(norms.shape[1]) < frames[:, None], norms, 0), axis=1)
        instead = instead + flat - jax.lax.stop_gradient(flat)
    found = jnp.where(total > IMPOSSIBLE / 2, -total, instead)
    return jnp.where(lengths > frames, 0.0, found) if no_path.ignore_longer else found


def soft_alignment(
    log_probs: jax.Array, frames: jax.Array, labels: jax.Array, lengths: jax.Array, topology: Topology
) -> tuple[jax.Array, jax.Array]:
    """The soft (Baum-Welch) alignment [B, T, N], and the scores [B]."""

    def total(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = scores(x, frames, labels, lengths, topology)
        return jnp.sum(found), found

    alignment, found = jax.grad(total, has_aux=True)(log_probs)
    return jnp.where((found > IMPOSSIBLE / 2)[:, None, None], alignment, 0), found


def best_path(
    log_probs: jax.Array, frames: jax.Array, labels: jax.Array, lengths: jax.Array, topology: Topology
) -> tuple[jax.Array, jax.Array]:
    """The best (Viterbi) alignment: the label of each frame [B, T], and the scores [B]. Frames that do not count get 0."""
    states = automaton(labels, lengths, topology)
    emits = _emissions(log_probs, states)

    def step(alpha: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        emit, t = inputs
        arrivals = _arrivals(alpha, states)
        new = jnp.maximum(jnp.max(arrivals, axis=-1), IMPOSSIBLE) + emit
        valid = (t < frames)[:, None]
        return jnp.where(valid, new, alpha), jnp.where(valid, jnp.argmax(arrivals, axis=-1), 0)

    alpha, steps = jax.lax.scan(step, _start(emits), (emits[1:], jnp.arange(1, emits.shape[0])))
    ends = _end(alpha, states)
    state = jnp.maximum(states.last - jnp.argmax(ends, axis=-1), 0)

    def back(state: jax.Array, moves: jax.Array) -> tuple[jax.Array, jax.Array]:
        before = state - jnp.take_along_axis(moves, state[:, None], axis=1)[:, 0]
        return before, state

    first, rest = jax.lax.scan(back, state, steps, reverse=True)
    path = jnp.concatenate([first[None], rest])[: emits.shape[0]].T
    found = jnp.take_along_axis(states.labels, path, axis=1)
    return jnp.where(jnp.arange(path.shape[1]) < frames[:, None], found, 0), jnp.max(ends, axis=-1)
