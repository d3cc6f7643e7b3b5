"""Shallow fusion: a language model's scores, added to those of a search's hypotheses when they get a label."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from tenure.functional.decoding.hypotheses import Grown, rows

Step = Callable[[Array, Any], tuple[Array, Any]]


@dataclasses.dataclass(frozen=True)
class LanguageModel:
    """A model of label sequences for shallow fusion (Gülçehre et al. 2015, https://arxiv.org/abs/1503.03535).

    Attributes:
      step: `(labels [N], state) -> (log probabilities of the next label [N, V], state)`, where every array of the state has
        N as its first axis.
      state: the state of each sequence before its first label; trees of arrays [B, …].
      start: the label that `step` is first given.
      scale: by what its log probabilities are multiplied.
      end: the label that says that a sequence is over, scored at the end; None if the model has none.

    >>> def step(labels, state):
    ...     return jnp.log(jnp.full((len(labels), 3), 1 / 3)), state
    >>> LanguageModel(step, (), start=0, scale=0.5).end
    """

    step: Step
    state: Any
    start: int
    scale: float = 1.0
    end: int | None = None


class Scored(NamedTuple):
    """What the language model said of hypotheses: so far [B, K], of the next label [B, K, V], and its state [B·K, …]."""

    total: Array
    following: Array
    state: Any


def started(model: LanguageModel | None, batch: Any, width: int, size: int) -> Scored:
    """Before the first label; without a model all scores are zero."""
    zeros = jnp.zeros((batch, width))
    if model is None:
        return Scored(zeros, jnp.zeros((batch, width, size)), ())
    scores, state = model.step(jnp.full((batch,), model.start, jnp.int32), model.state)

    def repeated(x: Array) -> Array:
        return jnp.repeat(x, width, axis=0)

    scaled = repeated(scores * model.scale).reshape(batch, width, -1)
    return Scored(zeros, scaled, jax.tree.map(repeated, state))


def continued(model: LanguageModel | None, old: Scored, grown: Grown) -> Scored:
    """After hypotheses were chosen, some of which got a label."""
    parent, label, extended = grown
    total = rows(old.total, parent)
    following = rows(old.following, parent)
    gained = jnp.take_along_axis(following, label[..., None], axis=2)[..., 0]
    total = jnp.where(extended, total + gained, total)
    if model is None:
        return Scored(total, following, ())
    batch, width = parent.shape
    flat = (jnp.arange(batch)[:, None] * width + parent).reshape(-1)
    state = jax.tree.map(lambda x: x[flat], old.state)

    def go(state: Any) -> tuple[Array, Any]:
        scores, new = model.step(label.reshape(-1), state)
        scores = jnp.where(extended[..., None], scores.reshape(batch, width, -1) * model.scale, following)
        moved = extended.reshape(-1)
        return scores, jax.tree.map(
            lambda a, b: jnp.where(moved.reshape(-1, *[1] * (a.ndim - 1)), a, b).astype(b.dtype), new, state
        )

    following, state = jax.lax.cond(jnp.any(extended), go, lambda state: (following, state), state)
    return Scored(total, following, state)


def ended(model: LanguageModel | None, scored: Scored) -> Array:
    """The scores of whole sequences [B, K]."""
    if model is None or model.end is None:
        return scored.total
    return scored.total + scored.following[..., model.end]
