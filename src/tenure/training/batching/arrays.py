"""Padded arrays of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tenure.training.batching.plan import Batch, Piece

Load = Callable[[int], tuple[str, Mapping[str, np.ndarray]]]


@dataclass(frozen=True)
class Padded:
    """The arrays of a batch.

    Attributes:
      arrays: [rows, time, …] by stream, zero beyond a sequence's end and for context that is not there. There may be more rows
        than sequences, to fill up a shape.
      lengths: [rows] int32, by stream.
      tags: of the rows' sequences.
      indices: of the rows' sequences, in the order of the epoch.
      planned: the batch of which these are the arrays.
      names: the tags of all its sequences, by their place in the epoch; several may lie in one row.
    """

    arrays: Mapping[str, np.ndarray]
    lengths: Mapping[str, np.ndarray]
    tags: tuple[str, ...]
    indices: tuple[int, ...]
    planned: Batch
    names: Mapping[int, str]

    def sequences_with(self, key: str, marks: np.ndarray) -> list[str]:
        """The tags of the sequences that have a marked entry, in the order of rows and frames.

        Args:
          key: of the stream.
          marks: for each entry of its array, whether it is marked.
        """
        marks = marks[: self.planned.rows]  # further rows only fill the shape up
        rows, *frames = np.nonzero(marks.any(axis=tuple(range(2, marks.ndim))))
        places = zip(rows.tolist(), frames[0].tolist() if frames else [0] * len(rows), strict=True)
        return list(dict.fromkeys(self._tag_at(row, frame, key) for row, frame in places))

    def _tag_at(self, row: int, frame: int, key: str) -> str:
        before = [piece for piece in self.planned.pieces if piece.row == row and piece.offset[key] <= frame]
        return self.names[before[-1].index]


def padded(
    batch: Batch,
    load: Load,
    keys: Iterable[str],
    *,
    at_least: Mapping[str, int] | int = 0,
    rows: int | None = None,
    copies: bool = False,
) -> Padded:
    """Fills the arrays of a batch.

    Args:
      batch: as planned.
      load: gives tag and arrays of a sequence by its place in the epoch.
      keys: the streams that are needed.
      at_least: the time axis is at least so long, by stream or for all.
      rows: the batch axis is so long; the further rows are empty …
      copies: … or repeat the last one.
    """
    loaded = {index: load(index) for index in dict.fromkeys(piece.index for piece in batch.pieces)}
    arrays, lengths = {}, {}
    for key in keys:
        least = at_least.get(key, 0) if isinstance(at_least, Mapping) else at_least
        size = max(int(batch.frames[key]), least)
        values = {index: data[key] for index, (_, data) in loaded.items()}
        arrays[key], lengths[key] = _stream(batch, values, key, size, rows or batch.rows)
        if copies:
            for array in (arrays[key], lengths[key]):
                array[batch.rows :] = array[batch.rows - 1]
    last = {piece.row: piece for piece in batch.pieces}
    tags = tuple(loaded[last[row].index][0] for row in range(batch.rows))
    names = {index: tag for index, (tag, _) in loaded.items()}
    return Padded(arrays, lengths, tags, tuple(last[row].index for row in range(batch.rows)), batch, names)


def _stream(
    batch: Batch, values: Mapping[int, np.ndarray], key: str, size: int, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    first = next(iter(values.values()))
    if not first.ndim:
        single = np.array([values[p.index] for p in batch.pieces])
        return np.concatenate([single, np.zeros(rows - len(single), single.dtype)]), np.ones(rows, np.int32)
    array = np.zeros((rows, size, *first.shape[1:]), first.dtype)
    lengths = np.zeros(rows, np.int32)
    for piece in batch.pieces:
        lengths[piece.row] = max(lengths[piece.row], _place(array[piece.row], values[piece.index], piece, key))
    return array, lengths


def _place(row: np.ndarray, values: np.ndarray, piece: Piece, key: str) -> int:
    """Copies the frames of a piece that exist into its row; returns where the piece ends there."""
    offset, start, end = int(piece.offset[key]), int(piece.start[key]), int(piece.end[key])
    first, last = max(start, 0), min(end, len(values))
    row[offset + first - start : offset + last - start] = values[first:last]
    return offset + end - start
