"""Label-synchronous search: the best label sequence that a beam finds, one label after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from tenure.functional.decoding.hypotheses import rows
from tenure.functional.largest import top_k

Cache = Any
#: `(labels [N], position, cache) -> (log probabilities [N, V], cache)`, where every array of the cache has N, sequences times
#: hypotheses, as its first axis.
Step = Callable[[Array, Array, Cache], tuple[Array, Cache]]

NEVER = -1e9


class Hypotheses(NamedTuple):
    """Label sequences [B, beam, length] and their scores [B, beam]."""

    pieces: Array
    scores: Array


class _State(NamedTuple):
    position: Array
    alive: Hypotheses
    finished: Hypotheses
    cache: Cache


def beam_search(
    step: Step,
    cache: Cache,
    *,
    sentences: int,
    beam: int,
    length: int,
    bos: int,
    eos: int,
    alpha: float = 1.0,
) -> tuple[Array, Array]:
    """The best label sequence of each batch entry, one label after the other.

    A finished hypothesis of n labels, `eos` among them, is worth its log probability over n to the power of `alpha`. The search
    ends when no unfinished one can become better than the best finished one, or after `length` labels. A sequence with no
    finished hypothesis by then gets its best unfinished one.

    Args:
      step: scores the next label.
      cache: for each sequence one row; it is repeated for each hypothesis here.
      sentences: how many sequences there are, B.
      beam: how many hypotheses are kept.
      length: the most labels.
      bos: the label that `step` is first given.
      eos: the label that ends a sequence.
      alpha: 0 compares log probabilities, which prefers short sequences; 1 compares means.

    Returns:
      Labels [B, length], `eos` from the end on, and their scores [B].

    >>> def step(labels, position, cache):  # after label n comes n + 1
    ...     return jnp.log(jax.nn.one_hot(labels + 1, 4) * 0.6 + 0.1), cache
    >>> beam_search(step, (), sentences=1, beam=2, length=5, bos=0, eos=3)[0]
    Array([[1, 2, 3, 3, 3]], dtype=int32)
    """

    def unfinished(state: _State) -> Array:
        best = state.finished.scores.max(1)
        hope = state.alive.scores.max(1) / length**alpha
        return (state.position < length) & jnp.any(hope > best)

    def advance(state: _State) -> _State:
        position, alive = state.position, state.alive
        last = lax.dynamic_index_in_dim(alive.pieces, position - 1, 2, keepdims=False)
        last = jnp.where(position == 0, bos, last)
        scores, new_cache = step(last.reshape(-1), position, state.cache)
        scores = alive.scores[:, :, None] + scores.reshape(sentences, beam, -1)
        parents, pieces, scores = _best(scores, 2 * beam)
        grown = rows(alive.pieces, parents).at[:, :, position].set(pieces)

        ended = pieces == eos
        worth = jnp.where(ended, scores / (position + 1.0) ** alpha, NEVER)
        finished = _top(_both(state.finished, Hypotheses(grown, worth)), beam)[0]
        alive, kept = _top(Hypotheses(grown, jnp.where(ended, NEVER, scores)), beam)
        parents = rows(parents, kept)
        return _State(position + 1, alive, finished, _follow(new_cache, parents))

    empty = jnp.full((sentences, beam, length), eos, jnp.int32)
    one = jnp.where(jnp.arange(beam) == 0, 0.0, NEVER)  # the hypotheses start out equal: keep one
    start = _State(
        jnp.zeros((), jnp.int32),
        Hypotheses(empty, jnp.tile(one, (sentences, 1))),
        Hypotheses(empty, jnp.full((sentences, beam), NEVER)),
        jax.tree.map(lambda leaf: jnp.repeat(leaf, beam, axis=0), cache),
    )
    end = lax.while_loop(unfinished, advance, start)
    cut = Hypotheses(end.alive.pieces, end.alive.scores / length**alpha)
    none = end.finished.scores.max(1) <= NEVER
    result = jax.tree.map(
        lambda cut, whole: jnp.where(none.reshape(-1, *[1] * (cut.ndim - 1)), cut, whole),
        cut,
        end.finished,
    )
    best = _top(result, 1)[0]
    return best.pieces[:, 0], best.scores[:, 0]


def _best(scores: Array, count: int) -> tuple[Array, Array, Array]:
    """The best `count` continuations: parent hypothesis, piece and score, ``[B, count]``."""
    sentences, beam, vocabulary = scores.shape
    top, where = top_k(scores.reshape(sentences, beam * vocabulary), min(count, beam * vocabulary))
    return where // vocabulary, (where % vocabulary).astype(jnp.int32), top


def _top(hypotheses: Hypotheses, count: int) -> tuple[Hypotheses, Array]:
    """The best `count`, best first, and where they were."""
    scores, where = lax.top_k(hypotheses.scores, min(count, hypotheses.scores.shape[1]))
    return Hypotheses(rows(hypotheses.pieces, where), scores), where


def _both(first: Hypotheses, second: Hypotheses) -> Hypotheses:
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), first, second)


def _follow(cache: Cache, parents: Array) -> Cache:
    """The cache of each hypothesis becomes that of its parent."""
    sentences, beam = parents.shape
    rows = (jnp.arange(sentences)[:, None] * beam + parents).reshape(-1)
    return jax.tree.map(lambda leaf: leaf[rows], cache)
