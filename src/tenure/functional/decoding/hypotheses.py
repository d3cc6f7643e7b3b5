"""Hypotheses of a search: distinct label sequences, of which some continue others by one label.

A search over prefixes adds up the probabilities of all alignments that say the same labels. A prefix is reached in two ways:
it stays as it is (a frame says nothing new), or a shorter one is continued by its last label. Both are put together here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from tenure.functional.largest import top_k

NEVER = -jnp.inf


class Decoded(NamedTuple):
    """What a search found, the best first.

    Attributes:
      labels: [B, n, L], zeros beyond the lengths.
      lengths: [B, n].
      scores: logarithms of probabilities, with the language model's part [B, n]; minus infinity where nothing was found.
    """

    labels: Array
    lengths: Array
    scores: Array


class Labels(NamedTuple):
    """The label sequences of hypotheses.

    Attributes:
      labels: [B, K, L].
      lengths: [B, K].
      shared: how many labels each two hypotheses start with in common [B, K, K].
    """

    labels: Array
    lengths: Array
    shared: Array

    @classmethod
    def empty(cls, batch: Any, width: int, room: Any) -> Labels:
        """Hypotheses without labels, with room for so many.

        Args:
          batch: how many sentences.
          width: how many hypotheses of each.
          room: for how many labels.
        """
        zeros = jnp.zeros((batch, width), jnp.int32)
        return cls(jnp.zeros((batch, width, room), jnp.int32), zeros, jnp.zeros((batch, width, width), jnp.int32))

    @property
    def last(self) -> Array:
        """The last label of each hypothesis [B, K]; any label where there is none."""
        return self.at(jnp.maximum(self.lengths - 1, 0)[..., None])[..., 0]

    def at(self, index: Array) -> Array:
        """The labels at `index` [B, K, n]; any label beyond the room."""
        if self.labels.shape[2] == 0:
            return jnp.zeros(index.shape, jnp.int32)
        return jnp.take_along_axis(self.labels, jnp.minimum(index, self.labels.shape[2] - 1), axis=2)

    def continued(self, alive: Array) -> tuple[Array, Array]:
        """For each hypothesis the one that it continues by one label [B, K], and whether there is one [B, K]."""
        longer = self.lengths[:, None, :] == self.lengths[:, :, None] + 1
        whole = self.shared == self.lengths[:, :, None]
        found = longer & whole & alive[:, :, None] & alive[:, None, :]
        return jnp.argmax(found, axis=1), jnp.any(found, axis=1)

    def grown(self, parent: Array, label: Array, extended: Array) -> Labels:
        """The hypotheses `parent` [B, K], continued by `label` where `extended` says so.

        Args:
          parent: which hypothesis each of the new ones continues [B, K].
          label: [B, K].
          extended: where a label is added [B, K].
        """
        old = Labels(rows(self.labels, parent), rows(self.lengths, parent), self._of_both(parent))
        here = jnp.arange(self.labels.shape[2]) == old.lengths[..., None]
        labels = jnp.where(here & extended[..., None], label[..., None], old.labels)
        lengths = old.lengths + extended

        def one_more(shared: Array, mine: Labels, other: Labels, mine_extended: Array, mine_label: Array) -> Array:
            """The shared start after the rows' hypotheses got a label."""
            width = mine.lengths.shape[1]
            places = jnp.broadcast_to(mine.lengths[:, None, :], (mine.lengths.shape[0], width, width))
            theirs = jnp.swapaxes(other.at(places), 1, 2)  # [b, i, j]: what j says where i has its new label
            inside = other.lengths[:, None, :] > mine.lengths[..., None]
            equal = inside & (theirs == mine_label[..., None]) & (shared == mine.lengths[..., None])
            return shared + (equal & mine_extended[..., None])

        first = one_more(old.shared, old, old, extended, label)
        new = Labels(labels, lengths, first)
        both = one_more(jnp.swapaxes(first, 1, 2), old, new, extended, label)
        return Labels(labels, lengths, jnp.swapaxes(both, 1, 2))

    def _of_both(self, parent: Array) -> Array:
        by_row = rows(self.shared, parent)
        return jnp.take_along_axis(by_row, parent[:, None, :], axis=2)


def rows(array: Array, where: Array) -> Array:
    """The hypotheses `where` [B, n] of an array [B, K, …]."""
    return jnp.take_along_axis(array, where.reshape(*where.shape, *[1] * (array.ndim - 2)), axis=1)


class Grown(NamedTuple):
    """The hypotheses after one step of a search.

    Attributes:
      parent: which old hypothesis each comes from [B, K].
      label: by what it is continued [B, K].
      extended: whether it is [B, K].
    """

    parent: Array
    label: Array
    extended: Array

    def where(self, going: Array) -> Grown:
        """The same for sequences that go on [B, 1]; the hypotheses of others stay as they are."""
        same = jnp.arange(self.parent.shape[1], dtype=jnp.int32)
        return Grown(jnp.where(going, self.parent, same), self.label, self.extended & going)


def merged(labels: Labels, alive: Array, stay: Array, extend: Array) -> tuple[Array, Array]:
    """Puts the two ways together in which a hypothesis can be reached.

    Args:
      labels: the hypotheses.
      alive: which of them are real [B, K].
      stay: log probabilities of staying as they are [B, K].
      extend: of getting one label [B, K, V].

    Returns:
      What is staying with what came from shorter ones, and what is continued without that.
    """
    source, there = labels.continued(alive)
    last = labels.last
    batch = jnp.arange(stay.shape[0])[:, None]
    gained = jnp.where(there, extend[batch, source, last], NEVER)
    taken = jnp.zeros(extend.shape, bool).at[batch, source, last].max(there)
    return jnp.logaddexp(stay, gained), jnp.where(taken, NEVER, extend)


def best(stay: Array, extend: Array) -> Grown:
    """The best K of all ways to go on, by ranks of staying [B, K] and of continuing [B, K, V]."""
    batch, width, size = extend.shape
    few = min(size, width)
    ranks, label = top_k(extend, few)
    _, index = jax.lax.top_k(jnp.concatenate([stay, ranks.reshape(batch, width * few)], axis=1), width)
    extended = index >= width
    place = jnp.maximum(index - width, 0)
    parent = jnp.where(extended, place // few, index).astype(jnp.int32)
    found = jnp.take_along_axis(label.reshape(batch, width * few), place, axis=1)
    return Grown(parent, jnp.where(extended, found, 0).astype(jnp.int32), extended)


def check(beam: int, best: int, blank: int, size: int, many: bool = False) -> None:
    """Raises where the numbers of a search do not fit together.

    Args:
      beam: how many hypotheses are kept.
      best: how many results are asked for.
      blank: a label.
      size: how many labels there are.
      many: whether there may be more results than hypotheses.

    Raises:
      ValueError: they do not.
    """
    if beam < 1 or best < 1:
        raise ValueError(f"a search keeps and returns at least one hypothesis; beam is {beam}, best is {best}")
    if best > beam and not many:
        raise ValueError(f"best is {best}, and a beam of {beam} has no more than {beam} results")
    if not 0 <= blank < size:
        raise ValueError(f"the blank is {blank}, and there are the labels 0 to {size - 1}")


def first_alive(batch: Any, width: int) -> Array:
    """Scores [B, K] at the start: all hypotheses are equal, so only one of them is real."""
    return jnp.broadcast_to(jnp.where(jnp.arange(width) == 0, 0.0, NEVER), (batch, width))
