"""Outputs of a batch as the sequences of an HDF file, as RETURNN's layer `hdf_dump` lays them out.

Beside the stream of the layer itself, "data", there are: `seq_sizes`, the lengths of all its axes but the features; `sizes`, the
same where there are several, which are written as one; for each further layer its values, with padding and in at most two axes, and
`NAME_seq_lens`, the lengths of all its axes. Each hypothesis of a search is a sequence of its own, the best first, and all of
a sequence's have its tag.
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
    """An output with the batch first, hypotheses in it, then the axes that are neither batch nor features, time first, then the features.

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
    def of(cls, x: Tensor, rows: int, beam: int = 1) -> _Spread:
        batch, own = x.batch_axis, None if x.beam_dim is None else x.axis(x.beam_dim)
        between = [i for i in range(x.ndim) if i not in (batch, own, x.feature_axis)]
        between.sort(key=lambda i: i != x.time_axis)
        array = _rows(x, [*between, *([] if x.feature_axis is None else [x.feature_axis])], rows, beam)
        sizes, dynamic = np.zeros((rows * beam, len(between)), np.int32), []
        for place, axis in enumerate(between):
            lengths = next((n for d, n in x.lengths.items() if d == x.dims[axis]), None)
            sizes[:, place] = array.shape[1 + place] if lengths is None else _rows(lengths, [], rows, beam)
            dynamic.append(lengths is not None)
        cut = tuple(slice(int(n)) for n in sizes.max(axis=0, initial=0))
        return cls(array[(slice(None), *cut)], sizes, x.feature_axis is not None, tuple(dynamic))


def _rows(x: Tensor, others: Sequence[int], rows: int, beam: int) -> np.ndarray:
    """The array of an output, [rows * beam, …]: batch and hypotheses first, then other axes in this order."""
    batch, own = x.batch_axis, None if x.beam_dim is None else x.axis(x.beam_dim)
    array = np.transpose(np.asarray(x.data), [*(i for i in (batch, own) if i is not None), *others])
    array = array if batch is not None else array[None]
    array = array if own is not None else array[:, None]
    array = np.broadcast_to(array, (rows, beam, *array.shape[2:]))
    return array.reshape(rows * beam, *array.shape[2:])


def beam_of(x: Tensor) -> int:
    """How many hypotheses of each sequence an output has."""
    return 1 if x.beam_dim is None else x.shape[x.axis(x.beam_dim)]


def of_sequences(tags: Sequence[str], main: Tensor, extra: Mapping[str, Tensor]) -> Iterator[Dumped]:
    """A sequence of the file for each of the batch.

    Args:
      tags: of the sequences.
      main: the output that is dumped.
      extra: further ones by name.
    """
    beam = beam_of(main)
    spread = _Spread.of(main, len(tags), beam)
    others = {name: _Spread.of(x, len(tags), beam) for name, x in sorted(extra.items())}
    for row, tag in enumerate(tag for tag in tags for _ in range(beam)):
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
    beam = beam_of(main)
    spread, tags = _Spread.of(main, len(tags), beam), [tag for tag in tags for _ in range(beam)]
    count = 1 + spread.sizes.shape[1]
    arrays = {"data": spread.array.reshape(-1, *spread.array.shape[count:])}
    for name, x in sorted(extra.items()):
        other = _Spread.of(x, len(tags) // beam, beam)
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
