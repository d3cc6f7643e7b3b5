"""`out_shape`: the dims that a dictionary promises for an output."""

from __future__ import annotations

import dataclasses
from typing import Any

from tenure.network.dims import Dim
from tenure.network.tensor import Tensor
from tenure.network.typing import Layer


@dataclasses.dataclass(frozen=True)
class MarkedDim:
    """A dim in `out_shape` with a remark.

    Attributes:
      dim: the dim.
      mark: "optional" (it may be missing), "sparse" (it is what indices point into), "lengths" (lengths go over it).
    """

    dim: Dim
    mark: str


def verify(layer: Layer, x: Tensor, promised: Any) -> None:
    """Raises if `x` has other dims than `promised`, in any order."""
    promised = promised or ()
    if not isinstance(promised, (set, frozenset, list, tuple)):
        raise layer.error("out_shape", promised, "a set of dims is needed", ["'out_shape': {batch_dim, time_dim}"])
    rest = list(x.dims)
    for entry in promised:
        dim, mark = (entry.dim, entry.mark) if isinstance(entry, MarkedDim) else (entry, "")
        if not isinstance(dim, Dim):
            raise layer.error("out_shape", promised, "a set of dims is needed", ["'out_shape': {batch_dim, time_dim}"])
        if mark in ("sparse", "lengths"):
            continue
        found = next((d for d in rest if d == dim), None)
        if found is not None:
            rest.remove(found)
        elif mark != "optional":
            raise layer.error("out_shape", promised, f"the output {x!r} lacks {dim!r}", ["correct 'out_shape'"])
    if rest:
        raise layer.error("out_shape", promised, f"the output {x!r} also has {rest}", ["add these dims to 'out_shape'"])
