"""Beams: dims that count the hypotheses of a search, and how what was computed for one beam is read by a later one.

A choice makes a new beam out of the one before it, and says for each new hypothesis which old one it continues (its back
pointer). A tensor that was computed before the choice has the old beam's dim; whoever reads it afterwards follows the
back pointers. The dim of a beam is a tensor's first axis, the batch the second one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp

from tenure.network import sizes
from tenure.network.dims import Dim, DimError
from tenure.network.output import map_tensors
from tenure.network.tensor import Tensor


@dataclasses.dataclass(frozen=True)
class Beam:
    """The hypotheses that a choice kept.

    Attributes:
      parent: the dim of the beam that they continue; None for the first one.
      pointers: which hypothesis of the parent each continues [beam, batch]; None without a parent.
      scores: logarithms of their probabilities [beam, batch].
      decided: whether the search is over for what was computed for them: they stay as they are.
    """

    parent: Dim | None
    pointers: Any
    scores: Any
    decided: bool = False


class Beams:
    """The beams that are there at one point of a pass.

    Attributes:
      last: the dim of the beam that the next choice continues; None without a search.
    """

    def __init__(self, outer: Beams | None = None):
        self._outer = outer
        self._known: dict[Dim, Beam] = {}
        self.last: Dim | None = None if outer is None else outer.last

    def __bool__(self) -> bool:
        return bool(self._known) or bool(self._outer)

    def add(self, dim: Dim, beam: Beam) -> None:
        """A choice was made: `dim` counts what it kept."""
        self._known[dim] = beam
        self.last = dim

    def put(self, dim: Dim, beam: Beam) -> None:
        """The same without making it the one that the next choice continues."""
        self._known[dim] = beam

    def get(self, dim: Dim) -> Beam:
        """The hypotheses that `dim` counts.

        Raises:
          DimError: none that are known here.
        """
        if dim in self._known:
            return self._known[dim]
        if self._outer is None:
            raise DimError(f"{dim!r} counts hypotheses of a search that is not known here")
        return self._outer.get(dim)

    def chain(self, dim: Dim | None) -> list[Dim]:
        """The beam, and those that it continues."""
        found = []
        while dim is not None and dim not in found:
            found.append(dim)
            dim = self.get(dim).parent
        return found

    def latest(self, trees: Iterable[Dim | None]) -> Dim | None:
        """Of these beams the one that continues all others, but for those that stay as they are.

        Raises:
          DimError: there is none, as they come from searches that have nothing to do with each other.
        """
        dims = list(dict.fromkeys(d for d in trees if d is not None))
        dims = [d for d in dims if not self.get(d).decided] or dims
        if len(dims) < 2:
            return dims[0] if dims else None
        best = max(dims, key=lambda d: len(self.chain(d)))
        others = [d for d in dims if d not in self.chain(best)]
        if others:
            raise DimError(
                f"hypotheses of different searches meet: {best!r} does not continue {others[0]!r}",
                ways=["'explicit_search_sources': the choice that the other one continues", "'class': 'decide'"],
            )
        return best

    def pointers(self, dim: Dim, to: Dim) -> Any:
        """For each hypothesis of the beam `dim` the one of the earlier beam `to` that it continues; None if they are one.

        Args:
          dim: the beam of the hypotheses.
          to: an earlier beam.

        Raises:
          DimError: the hypotheses do not continue any of that beam.
        """
        index = None
        while dim != to:
            beam = self.get(dim)
            if beam.parent is None:
                raise DimError(f"{dim!r} does not continue {to!r}")
            index = beam.pointers if index is None else jnp.take_along_axis(beam.pointers, index, axis=0)
            dim = beam.parent
        return index

    def read(self, x: Tensor, dim: Dim | None) -> Tensor:
        """The tensor as the hypotheses of the beam `dim` see it; one without a beam is the same for all."""
        own = x.beam_dim
        if own is None or dim is None or own == dim or self.get(own).decided:
            return x
        index = self.pointers(dim, own)
        return x if index is None else select(x, index, dim)

    def lengths(self, dim: Dim) -> dict[Dim, Tensor]:
        """The lengths of dims that go over an earlier beam, as the hypotheses of the beam `dim` see them."""
        found: dict[Dim, Tensor] = {}
        for earlier in reversed(self.chain(dim)[1:]):
            found.update({of: self.read(x, dim) for of, x in sizes.current().over(earlier).items()})
        return found

    def read_all(self, tree: Any, dim: Dim | None) -> Any:
        """`read` of every tensor in outputs or states."""
        return map_tensors(lambda x: self.read(x, dim), tree)


def beam_first(x: Tensor) -> Tensor:
    """The beam's axis first, the batch's second."""
    axis = x.axis(x.beam_dim)  # type: ignore[arg-type]
    x = x.move_axis(axis, 0)
    return x if x.batch_axis in (None, 1) else x.move_axis(x.batch_axis, 1)


def select(x: Tensor, index: Any, dim: Dim) -> Tensor:
    """The hypotheses `index` [beam, batch] of a tensor with a beam, as those of the beam `dim`."""
    x = beam_first(x)
    if x.batch_axis is None:
        from_batch = x.replace_dim(0, dim)
        return from_batch.like(jnp.take(x.data, index[:, 0], axis=0))
    data = x.data
    index = jnp.broadcast_to(index, (index.shape[0], data.shape[1])) if index.shape[1] == 1 else index
    found = jnp.take_along_axis(data, index.reshape(*index.shape, *[1] * (x.ndim - 2)), axis=0)
    return x.replace_dim(0, dim).like(found)


def relabel(x: Tensor, dim: Dim) -> Tensor:
    """The same hypotheses under another dim."""
    own = x.beam_dim
    return x if own is None else x.replace_dim(x.axis(own), dim)


def expand(x: Tensor, dim: Dim, size: int) -> Tensor:
    """A tensor with a beam; without one, the same for all hypotheses."""
    if x.beam_dim is not None:
        return x
    return x.stacked(dim, jnp.broadcast_to(x.data, (size, *x.shape)))


def merged(x: Tensor) -> Tensor:
    """RETURNN's layout: hypotheses as part of the batch axis, running fastest; lengths likewise."""
    if x.beam_dim is None:
        return x
    lengths = {d: merged(n) for d, n in x.lengths.items()}
    size = x.shape[x.axis(x.beam_dim)]
    if x.batch_axis is None:
        return dataclasses.replace(x, lengths=lengths)
    x = beam_first(x)
    data = jnp.swapaxes(x.data, 0, 1)
    data = data.reshape(data.shape[0] * size, *data.shape[2:])
    return dataclasses.replace(x.without(0), data=data, lengths=lengths)
