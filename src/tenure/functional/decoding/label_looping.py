"""Greedy decoding of a transducer, label by label for a whole batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from tenure.functional.decoding.hypotheses import check
from tenure.functional.decoding.lm import LanguageModel
from tenure.functional.decoding.transducer import Join, Predict


class Looped(NamedTuple):
    """What greedy decoding found.

    Attributes:
      labels: [B, L], zeros beyond the lengths.
      lengths: [B].
      scores: logarithms of the probabilities of the alignments, blanks included, with the language model's part [B].
      frames: at which frame each label was found [B, L].
    """

    labels: Array
    lengths: Array
    scores: Array
    frames: Array


class _State(NamedTuple):
    t: Array  # [B]
    at_frame: Array  # labels found at this frame [B]
    prediction: Any
    state: Any
    following: Array  # of the language model [B, V]
    fused: Any
    found: Looped


class _Look(NamedTuple):
    t: Array
    at_frame: Array
    label: Array
    score: Array
    found: Array


def label_looping(
    encoder: Array,
    lengths: Array,
    predict: Predict,
    join: Join,
    state: Any,
    *,
    blank: int,
    max_labels: int,
    max_labels_per_frame: int | None = None,
    start: int | None = None,
    model: LanguageModel | None = None,
) -> Looped:
    """The best label at each place of a transducer's grid, as greedy decoding frame by frame finds it.

    The outer loop goes over labels and calls `predict` once for each; the inner one goes over frames until every sequence
    has a label or is over. So the number of calls is that of the longest sequence's labels and frames, not that of a walk
    in which sequences wait for each other.

    Args:
      encoder: [B, T, …].
      lengths: how many frames count [B].
      predict: the prediction network's step.
      join: the joint network.
      state: the prediction network's state of each sequence before its first label, trees of arrays [B, …].
      blank: the label that goes on to the next frame.
      max_labels: the most labels of a result.
      max_labels_per_frame: after how many labels the next frame follows in any case, without a blank; None: never.
      start: the label that `predict` is first given; the blank if None.
      model: a language model, asked which label it is where the transducer says that there is one.

    Returns:
      Labels, lengths, scores and the labels' frames.

    Raises:
      ValueError: there is no such blank.

    Source: Galvez et al. 2024, https://arxiv.org/abs/2406.06220.

    >>> def predict(labels, state):
    ...     return labels, state
    >>> def join(frames, prediction):  # the frame's label once, then the blank
    ...     return jnp.log(jax.nn.one_hot(jnp.where(prediction == frames, 0, frames), 3) * 0.7 + 0.1)
    >>> found = label_looping(jnp.asarray([[2, 1]]), jnp.asarray([2]), predict, join, (), blank=0, max_labels=3)
    >>> found.labels, found.frames
    (Array([[2, 1, 0]], dtype=int32), Array([[0, 1, 0]], dtype=int32))
    """
    batch, frames = encoder.shape[:2]
    lengths = jnp.minimum(lengths, frames)
    first = jnp.full((batch,), blank if start is None else start, jnp.int32)
    most = max_labels if max_labels_per_frame is None else max_labels_per_frame

    def frame_at(t: Array) -> Array:
        index = jnp.clip(t, 0, frames - 1).reshape(batch, *[1] * (encoder.ndim - 1))
        return jnp.take_along_axis(encoder, index, axis=1)[:, 0]

    def look(now: _State) -> _Look:
        """Each sequence's next label; goes over blanks."""

        def waiting(seen: _Look) -> Array:
            return ~seen.found & (seen.t < lengths) & (now.found.lengths < max_labels)

        def one(seen: _Look) -> _Look:
            open_ = waiting(seen)
            scores = join(frame_at(seen.t), now.prediction)
            silent = jnp.argmax(scores, axis=-1) == blank
            ranks = jnp.where(jnp.arange(scores.shape[-1]) == blank, -jnp.inf, scores + now.following)
            label = jnp.where(silent, blank, jnp.argmax(ranks, axis=-1)).astype(jnp.int32)
            gained = jnp.take_along_axis(scores, label[:, None], axis=1)[:, 0]
            fused = jnp.take_along_axis(now.following, label[:, None], axis=1)[:, 0]
            score = seen.score + jnp.where(silent, gained, gained + fused)
            new = _Look(seen.t + silent, jnp.where(silent, 0, seen.at_frame), label, score, ~silent)
            return jax.tree.map(lambda a, b: jnp.where(open_, a, b), new, seen)

        before = _Look(now.t, now.at_frame, jnp.zeros_like(now.t), now.found.scores, jnp.zeros((batch,), bool))
        return jax.lax.while_loop(lambda seen: jnp.any(waiting(seen)), one, before)

    def advance(now: _State) -> _State:
        seen = look(now)
        found = now.found
        place = (jnp.arange(max_labels) == found.lengths[:, None]) & seen.found[:, None]
        labels = jnp.where(place, seen.label[:, None], found.labels)
        places = jnp.where(place, seen.t[:, None], found.frames)
        new_found = Looped(labels, found.lengths + seen.found, seen.score, places)
        full = seen.found & (seen.at_frame + 1 >= most)
        t = seen.t + (full if max_labels_per_frame is not None else 0)
        at_frame = jnp.where(full, 0, seen.at_frame + seen.found)
        following, fused = now.following, now.fused
        prediction, states = _where(seen.found, predict(seen.label, now.state), (now.prediction, now.state))
        if model is not None:
            scores, new = model.step(seen.label, now.fused)
            following, fused = _where(seen.found, (scores * model.scale, new), (following, fused))
        # a sequence that is over, or full, ends here
        t = jnp.where(new_found.lengths >= max_labels, lengths, t)
        return _State(t, at_frame, prediction, states, following, fused, new_found)

    prediction, states = predict(first, state)
    zeros = jnp.zeros((batch,), jnp.int32)
    empty = jnp.zeros((batch, max_labels), jnp.int32)
    fused: Any = ()
    size = jax.eval_shape(join, encoder[:, 0], prediction).shape[-1]
    check(1, 1, blank, size)
    following = jnp.zeros((batch, size))
    if model is not None:
        scores, fused = model.step(jnp.full((batch,), model.start, jnp.int32), model.state)
        following = scores * model.scale
    before = _State(
        zeros, zeros, prediction, states, following, fused, Looped(empty, zeros, jnp.zeros((batch,)), empty)
    )
    return jax.lax.while_loop(lambda now: jnp.any(now.t < lengths), advance, before).found


def _where(which: Array, new: Any, old: Any) -> Any:
    """The new values of the sequences `which` [B]."""
    return jax.tree.map(lambda a, b: jnp.where(which.reshape(-1, *[1] * (a.ndim - 1)), a, b).astype(b.dtype), new, old)
