"""Dims that layers make, with RETURNN's names, by which dictionaries may refer to them ("stag:sliced-time:x")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenure.network import sizes
from tenure.network.dims import SPATIAL, Dim
from tenure.network.tensor import Tensor

if TYPE_CHECKING:
    from tenure.network.layer import Layer


def made(layer: Layer, name: str, size: int | None, given: Dim | None = None, kind: str = SPATIAL) -> Dim:
    """A dim of a layer's own, or the one that the dictionary names, which from now on is of that size.

    Args:
      layer: the layer.
      name: in which {} stands for the layer's name.
      size: the number of entries, or None.
      given: the dim that the dictionary names.
      kind: of the dim.
    """
    if given is not None and (given.root.size == size or size is None):
        return given
    dim = layer.new_dim(name, size, kind)
    dim.name = name.format(layer.node.name)
    return dim if given is None else same(dim, given)


def same(dim: Dim, given: Dim | None) -> Dim:
    """The dim that the dictionary names, declared to be `dim`; `dim` itself if it names none."""
    if given is None:
        return dim
    if given != dim:
        dim.declare_same_as(given)
    return given


def dynamic(
    layer: Layer,
    name: str,
    lengths: Tensor,
    given: Dim | None = None,
    bound: int | None = None,
    kind: str = SPATIAL,
    most: int | None = None,
) -> Dim:
    """A dim with these lengths; `bound` is its padded size where that is known, and `most` one that always suffices."""
    known = sizes.current()
    if given is not None and known.knows(given):
        return given
    dim = made(layer, name, None, given, kind)
    known.declare(dim.root, known.bound(lengths, dim, most) if bound is None else bound, lengths)
    return dim
