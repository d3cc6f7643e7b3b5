"""Outputs of a batch as the sequences of an HDF file, as RETURNN's layer `hdf_dump` lays them out.

Beside the stream of the layer itself, "data", there are: `seq_sizes`, the lengths of all its axes but the features; `sizes`, the
same where there are several, which are written as one; for each further layer its values, with padding and in at most two axes, and
`NAME_seq_lens`, the lengths of all its axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tenure.network.tensor import Tensor


@dataclass(frozen=True)
class Dumped:
    """A sequence of the file.

    Attributes:
      tag: its name.
      arrays: by stream.
    """

    tag: str
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class _Spread:
    """An output with the batch first, then the axes that are neither batch nor features, time first, then the features.

    Attributes:
      array: cut to the longest sequence of the batch.
      sizes: [B, axes], the lengths of the axes in between.
      features: whether there is a last axis of features.
      dynamic: whether each of the axes in between has lengths of its own.
    """

    array: np.ndarray
    sizes: np.ndarray
    features: bool
    dynamic: tuple[bool, ...]

    @classmethod
    def of(cls, x: Tensor, rows: int) -> _Spread:
        batch = next((i for i, d in enumerate(x.dims) if d.is_batch), None)
        between = [i for i in range(x.ndim) if i not in (batch, x.feature_axis)]
        between.sort(key=lambda i: i != x.time_axis)
        order = [*([] if batch is None else [batch]), *between, *([] if x.feature_axis is None else [x.feature_axis])]
        array = np.transpose(np.asarray(x.data), order)
        array = np.broadcast_to(array, (rows, *array.shape)) if batch is None else array
        sizes, dynamic = np.zeros((rows, len(between)), np.int32), []
        for place, axis in enumerate(between):
            lengths = next((np.asarray(n.data) for d, n in x.lengths.items() if d == x.dims[axis]), None)
            sizes[:, place] = array.shape[1 + place] if lengths is None else lengths
            dynamic.append(lengths is not None)
        cut = tuple(slice(int(n)) for n in sizes.max(axis=0, initial=0))
        return cls(array[(slice(None), *cut)], sizes, x.feature_axis is not None, tuple(dynamic))


def of_sequences(tags: Sequence[str], main: Tensor, extra: Mapping[str, Tensor]) -> Iterator[Dumped]:
    """A sequence of the file for each of the batch.

    Args:
      tags: of the sequences.
      main: the output that is dumped.
      extra: further ones by name.
    """
    spread = _Spread.of(main, len(tags))
    others = {name: _Spread.of(x, len(tags)) for name, x in sorted(extra.items())}
    for row, tag in enumerate(tags):
        sizes = spread.sizes[row]
        array = spread.array[row][tuple(slice(int(n)) for n in sizes)]
        arrays = {"data": array.reshape(-1, *array.shape[len(sizes) :])}
        if len(sizes) > 1:
            arrays["sizes"] = sizes
        for name, other in others.items():
            value = other.array[row]
            if other.dynamic and other.dynamic[-1] and not other.features:
                value = value.reshape(-1)
            elif value.ndim > 1:
                value = value.reshape(-1, value.shape[-1])
            arrays[name] = np.atleast_1d(value)
            if other.array.ndim > 1:
                arrays[f"{name}_seq_lens"] = _all_sizes(other)[row]
        if len(sizes):
            arrays["seq_sizes"] = sizes
        yield Dumped(tag, arrays)


def of_batch(tags: Sequence[str], main: Tensor, extra: Mapping[str, Tensor]) -> Iterator[Dumped]:
    """The batch as one sequence of the file, with padding and all; the stream `seq_tags` has the tags.

    Args:
      tags: of the sequences.
      main: the output that is dumped.
      extra: further ones by name.
    """
    spread = _Spread.of(main, len(tags))
    count = 1 + spread.sizes.shape[1]
    arrays = {"data": spread.array.reshape(-1, *spread.array.shape[count:])}
    for name, x in sorted(extra.items()):
        other = _Spread.of(x, len(tags))
        arrays[name], arrays[f"{name}_seq_lens"] = other.array.reshape(-1), _or_zeros(_all_sizes(other))
    arrays["seq_sizes"] = _or_zeros(spread.sizes)
    arrays["seq_tags"] = np.array([tag.encode() for tag in tags], dtype=object)
    yield Dumped("<->".join(tags), arrays)


def _all_sizes(x: _Spread) -> np.ndarray:
    if not x.features:
        return x.sizes
    return np.concatenate([x.sizes, np.full((len(x.sizes), 1), x.array.shape[-1], np.int32)], axis=1)


def _or_zeros(sizes: np.ndarray) -> np.ndarray:
    """Sizes of no axis still say how many sequences there are."""
    return sizes if sizes.shape[1] else np.zeros((len(sizes), 1), np.int32)
