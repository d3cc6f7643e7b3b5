"""Time-synchronous search over the label sequences of CTC."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from tenure.functional.decoding import hypotheses, lm
from tenure.functional.decoding.hypotheses import NEVER, Decoded, Labels


class _State(NamedTuple):
    t: Array
    labels: Labels
    blank: Array  # log probabilities of the alignments that end in a blank [B, K]
    label: Array  # and of those that end in the last label
    fused: lm.Scored


def ctc_search(
    log_probs: Array,
    lengths: Array,
    *,
    blank: int,
    beam: int,
    model: lm.LanguageModel | None = None,
    label_bonus: float = 0.0,
    max_labels: int | None = None,
    best: int | None = None,
) -> Decoded:
    """The most probable label sequences of CTC, each with all its alignments: prefix search.

    With a beam as wide as there are label sequences, the scores are those of the CTC loss. Each frame takes one step of the
    language model, and none if no hypothesis gets a label.

    Args:
      log_probs: [B, T, V].
      lengths: how many frames count [B].
      blank: the label of frames that say nothing.
      beam: how many prefixes are kept.
      model: a language model for shallow fusion.
      label_bonus: added to the score for each label.
      max_labels: the most labels of a result; the number of frames if None.
      best: how many results are returned; all of the beam if None.

    Returns:
      Labels [B, best, max_labels], lengths and scores [B, best].

    Raises:
      ValueError: more results than hypotheses, or no such blank.

    Source: Graves & Jaitly 2014; Hannun et al. 2014, https://arxiv.org/abs/1408.2873.

    >>> x = jnp.log(jnp.asarray([[[0.6, 0.4], [0.6, 0.4]]]))
    >>> found = ctc_search(x, jnp.asarray([2]), blank=0, beam=2)
    >>> [[found.labels[0, k, :n].tolist(), round(float(s), 3)] for k, (n, s) in enumerate(zip(found.lengths[0], jnp.exp(found.scores[0])))]
    [[[1], 0.64], [[], 0.36]]
    """
    batch, frames, size = log_probs.shape
    hypotheses.check(beam, beam if best is None else best, blank, size)
    lengths = jnp.minimum(lengths, frames)
    room = frames if max_labels is None else max_labels
    by_time = jnp.swapaxes(log_probs, 0, 1).astype(jnp.float32)
    start = _State(
        jnp.zeros((), jnp.int32),
        Labels.empty(batch, beam, room),
        hypotheses.first_alive(batch, beam),
        jnp.full((batch, beam), NEVER),
        lm.started(model, batch, beam, size),
    )

    def step(state: _State) -> _State:
        frame = jax.lax.dynamic_index_in_dim(by_time, state.t, keepdims=False)[:, None]
        labels, total = state.labels, jnp.logaddexp(state.blank, state.label)
        blank_now = total + frame[..., blank]
        last = labels.last
        said = labels.lengths > 0
        again = jnp.where(said, state.label + jnp.take_along_axis(frame[:, 0], last, axis=1), NEVER)
        repeats = (jnp.arange(size) == last[..., None]) & said[..., None]
        extend = jnp.where(repeats, state.blank[..., None], total[..., None]) + frame
        closed = (jnp.arange(size) == blank) | (labels.lengths >= room)[..., None]
        label_now, extend = hypotheses.merged(labels, total > NEVER, again, jnp.where(closed, NEVER, extend))

        rank = jnp.logaddexp(blank_now, label_now) + state.fused.total + label_bonus * labels.lengths
        worth = (state.fused.total + label_bonus * (labels.lengths + 1))[..., None] + state.fused.following
        going = (state.t < lengths)[:, None]
        grown = hypotheses.best(rank, extend + worth).where(going)
        parent, label, extended = grown
        picked = jnp.take_along_axis(hypotheses.rows(extend, parent), label[..., None], axis=2)[..., 0]
        ends_blank = jnp.where(extended, NEVER, hypotheses.rows(blank_now, parent))
        ends_label = jnp.where(extended, picked, hypotheses.rows(label_now, parent))
        return _State(
            state.t + 1,
            labels.grown(parent, label, extended),
            jnp.where(going, ends_blank, state.blank),
            jnp.where(going, ends_label, state.label),
            lm.continued(model, state.fused, grown),
        )

    end = jax.lax.while_loop(lambda s: s.t < jnp.max(lengths, initial=0), step, start) if frames != 0 else start
    total = jnp.logaddexp(end.blank, end.label) + label_bonus * end.labels.lengths + lm.ended(model, end.fused)
    scores, order = jax.lax.top_k(total, beam if best is None else best)
    found = hypotheses.rows(end.labels.labels, order), hypotheses.rows(end.labels.lengths, order)
    return Decoded(*found, scores)
