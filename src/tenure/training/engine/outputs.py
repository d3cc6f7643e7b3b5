"""Outputs of a network as arrays of single sequences, and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenure.network.tensor import Tensor


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


def dictionary(value: Any) -> str:
    """A dictionary with an entry in each line, as RETURNN writes it.

    >>> dictionary({"a": [1, 2]})
    "{\\n'a': [\\n1,\\n2,\\n],\\n}"
    """
    if isinstance(value, Numbers):
        return repr(dict(value))
    if isinstance(value, Mapping):
        return "{\n" + "".join(f"{k!r}: {dictionary(v)},\n" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + "".join(f"{dictionary(v)},\n" for v in value) + "]"
    return repr(value)


class Numbers(dict):
    """Numbers by name, which are written in one line."""
