"""Outputs of a network as arrays of single sequences, and as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tenure.network.tensor import Tensor

_LARGE = 40  # characters of a dictionary's entries


def rows(x: Tensor) -> list[np.ndarray]:
    """The arrays of the sequences of a batch, time first, without what is beyond their ends."""
    array = np.asarray(x.data)
    axis = next(i for i, d in enumerate(x.dims) if d.is_batch)
    array = np.moveaxis(array, axis, 0)
    rest = [d for i, d in enumerate(x.dims) if i != axis]
    time = next((i for i, d in enumerate(rest) if d.is_dynamic), None)
    if time is None:
        return list(array)
    array = np.moveaxis(array, time + 1, 1)
    lengths = next((np.asarray(n.data) for d, n in x.lengths.items() if d == rest[time]), None)
    if lengths is None:
        lengths = np.full(len(array), array.shape[1])
    return [row[:n] for row, n in zip(array, np.broadcast_to(lengths, len(array)), strict=True)]


def hypothesis(output: Tensor, axis: int, index: int) -> Tensor:
    """One hypothesis of each sequence.

    Args:
      output: of a search, with a beam.
      axis: of the beam.
      index: which hypothesis, 0 for the best one.
    """
    lengths = {}
    for dim, n in output.lengths.items():
        own = next((i for i, d in enumerate(n.dims) if d.is_beam), None)
        lengths[dim] = n if own is None else _without(n, own, index)
    return dataclasses.replace(_without(output, axis, index), lengths=lengths)


def _without(x: Tensor, axis: int, index: int) -> Tensor:
    dims = tuple(d for i, d in enumerate(x.dims) if i != axis)
    return Tensor(np.take(np.asarray(x.data), index, axis), dims, x.sparse_dim)


def shown(value: Any) -> str:
    """A value as RETURNN writes it to files: lists and large dictionaries with an entry in each line.

    >>> shown({"b": 2, "a": [1]})
    "{'a': [\\n1,\\n], 'b': 2}"
    """
    if isinstance(value, Mapping):
        entries = [f"{shown(k)}: {shown(v)}" for k, v in sorted(value.items())]
        if sum(map(len, entries)) < _LARGE:
            return f"{{{', '.join(entries)}}}"
        return "{\n" + "".join(f"{entry},\n" for entry in entries) + "}"
    if isinstance(value, list):
        return "[\n" + "".join(f"{shown(v)},\n" for v in value) + "]"
    if isinstance(value, tuple) and len(value) > 1:
        return f"({', '.join(map(shown, value))})"
    if isinstance(value, float) and not np.isfinite(value):
        return f"float('{value!r}')"
    return repr(value)
