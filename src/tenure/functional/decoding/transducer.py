"""Search over the label sequences of a transducer, each with all its alignments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from tenure.functional.decoding import hypotheses, lm
from tenure.functional.decoding.hypotheses import NEVER, Decoded, Labels

#: `(labels [N], state) -> (prediction, state)`; arrays of both have N as their first axis.
Predict = Callable[[Array, Any], tuple[Any, Any]]
#: `(frames [N, …], prediction) -> log probabilities [N, V]`.
Join = Callable[[Array, Any], Array]


class _State(NamedTuple):
    step: Array  # frames and labels so far, the same of all hypotheses
    labels: Labels
    scores: Array  # of the transducer [B, K]
    prediction: Any  # [B·K, …]
    state: Any
    fused: lm.Scored
    found: Decoded


def transducer_search(
    encoder: Array,
    lengths: Array,
    predict: Predict,
    join: Join,
    state: Any,
    *,
    blank: int,
    beam: int,
    max_labels: int,
    start: int | None = None,
    model: lm.LanguageModel | None = None,
    label_bonus: float = 0.0,
    best: int = 1,
) -> Decoded:
    """The most probable label sequences of a transducer (Graves 2012): each step is a frame or a label of every hypothesis.

    All hypotheses have made the same number of steps, so that equal label sequences are at the same frame, and their
    alignments are added up exactly. A step calls `predict` once for all hypotheses. The search ends when no live hypothesis can
    become better than those that are returned, where `label_bonus` is not positive.

    Args:
      encoder: [B, T, …].
      lengths: how many frames count [B].
      predict: the prediction network's step.
      join: the joint network.
      state: the prediction network's state of each sequence before its first label, trees of arrays [B, …].
      blank: the label that goes on to the next frame.
      beam: how many hypotheses are kept.
      max_labels: the most labels of a result.
      start: the label that `predict` is first given; the blank if None.
      model: a language model for shallow fusion.
      label_bonus: added to the score for each label.
      best: how many results are returned.

    Returns:
      Labels [B, best, max_labels], lengths and scores [B, best].

    Raises:
      ValueError: no hypothesis, or no such blank.

    Source: alignment-length synchronous decoding: Saon et al. 2020, https://doi.org/10.1109/ICASSP40776.2020.9053040.

    >>> def predict(labels, state):
    ...     return labels, state
    >>> def join(frames, prediction):  # the frame's label once, then the blank
    ...     said = prediction == frames
    ...     return jnp.log(jnp.where(said[:, None], jnp.asarray([0.8, 0.1, 0.1]), jax.nn.one_hot(frames, 3) * 0.7 + 0.1))
    >>> found = transducer_search(jnp.asarray([[2, 1]]), jnp.asarray([2]), predict, join, (), blank=0, beam=4, max_labels=3)
    >>> found.labels[0, 0], found.lengths[0, 0]
    (Array([2, 1, 0], dtype=int32), Array(2, dtype=int32))
    """
    batch, frames = encoder.shape[:2]
    first = jnp.full((batch,), blank if start is None else start, jnp.int32)

    def repeated(x: Array) -> Array:
        return jnp.repeat(x, beam, axis=0)

    prediction, states = jax.tree.map(repeated, predict(first, state))
    size = jax.eval_shape(join, repeated(encoder[:, 0]), prediction).shape[-1]
    hypotheses.check(beam, best, blank, size, many=True)
    lengths = jnp.minimum(lengths, frames)
    none = jnp.zeros((batch, best), jnp.int32)
    before = _State(
        jnp.zeros((), jnp.int32),
        Labels.empty(batch, beam, max_labels),
        hypotheses.first_alive(batch, beam),
        prediction,
        states,
        lm.started(model, batch, beam, size),
        Decoded(jnp.zeros((batch, best, max_labels), jnp.int32), none, jnp.full((batch, best), NEVER)),
    )

    def advance(now: _State) -> _State:
        labels = now.labels
        t = now.step - labels.lengths
        here = jnp.clip(t, 0, frames - 1)
        picked = jnp.take_along_axis(encoder, here.reshape(batch, beam, *[1] * (encoder.ndim - 2)), axis=1)
        scores = join(picked.reshape(batch * beam, *encoder.shape[2:]), now.prediction).reshape(batch, beam, size)
        scores = now.scores[..., None] + jnp.where((t < lengths[:, None])[..., None], scores, NEVER)
        through = scores[..., blank]
        over = t + 1 == lengths[:, None]
        ended = jnp.where(over, through + lm.ended(model, now.fused) + label_bonus * labels.lengths, NEVER)

        closed = (jnp.arange(size) == blank) | (labels.lengths >= max_labels)[..., None]
        stay, extend = hypotheses.merged(
            labels, now.scores > NEVER, jnp.where(over, NEVER, through), jnp.where(closed, NEVER, scores)
        )
        worth = (now.fused.total + label_bonus * (labels.lengths + 1))[..., None] + now.fused.following
        grown = hypotheses.best(stay + now.fused.total + label_bonus * labels.lengths, extend + worth)
        parent, label, extended = grown
        longer = jnp.take_along_axis(hypotheses.rows(extend, parent), label[..., None], axis=2)[..., 0]
        kept = jnp.where(extended, longer, hypotheses.rows(stay, parent))
        prediction, states = _predicted(predict, now, grown)
        return _State(
            now.step + 1,
            labels.grown(parent, label, extended),
            kept,
            prediction,
            states,
            lm.continued(model, now.fused, grown),
            _better(now.found, Decoded(labels.labels, labels.lengths, ended), best),
        )

    def going(now: _State) -> Array:
        hope = jax.nn.logsumexp(now.scores + now.fused.total + label_bonus * now.labels.lengths, axis=1)
        better = hope > now.found.scores[:, -1] if label_bonus <= 0 else hope > NEVER
        return (now.step < jnp.max(lengths, initial=0) + max_labels) & jnp.any(better)

    return jax.lax.while_loop(going, advance, before).found


def _predicted(predict: Predict, now: _State, grown: hypotheses.Grown) -> tuple[Any, Any]:
    """Predictions and states of the new hypotheses: those of the parents, one label later where they got one."""
    batch, beam = grown.parent.shape
    flat = (jnp.arange(batch)[:, None] * beam + grown.parent).reshape(-1)
    old = jax.tree.map(lambda x: x[flat], (now.prediction, now.state))
    moved = grown.extended.reshape(-1)

    def go(old: Any) -> Any:
        new = predict(grown.label.reshape(-1), old[1])
        return jax.tree.map(
            lambda a, b: jnp.where(moved.reshape(-1, *[1] * (a.ndim - 1)), a, b).astype(b.dtype), new, old
        )

    found: tuple[Any, Any] = jax.lax.cond(jnp.any(moved), go, lambda old: old, old)
    return found


def _better(one: Decoded, two: Decoded, count: int) -> Decoded:
    """The best of both, best first."""
    scores = jnp.concatenate([one.scores, two.scores], axis=1)
    scores, order = jax.lax.top_k(scores, count)
    labels, lengths = (jnp.concatenate([a, b], axis=1) for a, b in zip(one[:2], two[:2], strict=True))
    labels, lengths = hypotheses.rows(labels, order), hypotheses.rows(lengths, order)
    return Decoded(jnp.where(jnp.arange(labels.shape[2]) < lengths[..., None], labels, 0), lengths, scores)
