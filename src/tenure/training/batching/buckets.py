"""Buckets: the few shapes that batches are padded to, so that few programs are compiled.

The key `buckets` declares shapes. Without it they are made from the batches that the lengths give, where lengths are known without loading
anything; a batch that none of these holds, and every batch of other data, goes to the next shape of a geometric grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenure.core.errors import brief
from tenure.training.batching.frames import ZERO, Frames
from tenure.training.batching.plan import Batch
from tenure.training.errors import BatchError

MOST = 8  # shapes that are made from lengths
SLACK = 1.1  # of the padded frames, next to those of as many shapes as there are batches
_DISTINCT = 256
_STEP = 8
_GROWTH = (
    1.25  # of the longest stream in the grid; the others grow by its cube, about 2, as every pair of lengths is a shape
)


@dataclass(frozen=True)
class Shape:
    """The padded shape of a batch.

    Attributes:
      rows: how many; 0 for as many as the limits of batches allow for the frames, or more.
      frames: the padded length of every stream with time.

    >>> print(Shape(4, {"data": 100, "classes": 20}))
    4 x (data 100, classes 20)
    """

    rows: int
    frames: Mapping[str, int]

    def __hash__(self) -> int:
        return hash((self.rows, tuple(sorted(self.frames.items()))))

    def __str__(self) -> str:
        return f"{self.rows} x ({', '.join(f'{key} {n}' for key, n in self.frames.items())})"

    @property
    def cells(self) -> int:
        """Padded frames of all streams."""
        return self.rows * max(sum(self.frames.values()), 1)

    def holds(self, batch: Shape) -> bool:
        """Whether a batch of that shape fits in."""
        return (not self.rows or self.rows >= batch.rows) and all(
            self.frames.get(key, 0) >= n for key, n in batch.frames.items()
        )

    @classmethod
    def of(cls, batch: Batch, keys: Iterable[str]) -> Shape:
        """The shape of a planned batch, without padding."""
        return cls(batch.rows, {key: int(batch.frames[key]) for key in keys})


@dataclass(frozen=True)
class Buckets:
    """The shapes of batches.

    Attributes:
      shapes: known ones, the smallest first.
      declared: whether these are all that there are.
      batch_size, max_seqs: the limits of batches, which say how many rows a length can have.
      multiple: rows are a multiple of it where the grid says how many there are: the number of devices.

    >>> buckets = Buckets((Shape(4, {"data": 10}), Shape(2, {"data": 20})), batch_size=Frames(rest=40))
    >>> [str(buckets.of(Shape(n, {"data": t}))) for n, t in ((3, 9), (2, 15), (1, 30))]
    ['4 x (data 10)', '2 x (data 20)', '1 x (data 32)']
    """

    shapes: tuple[Shape, ...] = ()
    declared: bool = False
    batch_size: Frames = ZERO
    max_seqs: float = -1
    multiple: int = 1

    def of(self, batch: Shape) -> Shape | None:
        """The shape that a batch is padded to; None if it fits in no declared one."""
        fitting = [shape for shape in self.shapes if shape.holds(batch)]
        if fitting:
            sized = [self.sized(shape, batch.rows) for shape in fitting]
            best = min(sized, key=lambda shape: shape.cells)
            return Shape(best.rows, {key: best.frames[key] for key in batch.frames})
        if self.declared:
            return None
        longest = max(batch.frames.values(), default=0)
        spans = {key: _span(n, _GROWTH if n == longest else _GROWTH**3) for key, n in batch.frames.items()}
        frames = {key: most for key, (_, most) in spans.items()}
        return Shape(self.rows(batch.rows, frames, {key: least for key, (least, _) in spans.items()}), frames)

    def sized(self, shape: Shape, rows: int = 1) -> Shape:
        """The shape for so many sequences: with rows, if it says none itself."""
        return shape if shape.rows else Shape(self.rows(rows, shape.frames), shape.frames)

    def rows(self, rows: int, frames: Mapping[str, int], least: Mapping[str, int] | None = None) -> int:
        """How many rows a batch is padded to.

        Args:
          rows: that it has.
          frames: its padded lengths: as many rows as the limits allow for them, if it does not have more.
          least: the shortest lengths that are padded to these: as many rows as the limits allow for them, if it does not have more.

        Returns:
          The number; the next one of a grid if the limits say nothing, or less.
        """
        limits = [limit for of in (frames, least) if of is not None and (limit := self._limit(of)) is not None]
        wanted = next((limit for limit in limits if limit >= rows), None) or grid(rows, 1.5, step=1)
        return -(-wanted // self.multiple) * self.multiple

    def _limit(self, frames: Mapping[str, int]) -> int | None:
        limits = [self.max_seqs] if self.max_seqs > 0 else []
        limits += [size // n for key, n in frames.items() if n and (size := self.batch_size.get(key))]
        return int(min(limits)) if limits else None


def grid(length: int, growth: float = _GROWTH, step: int = _STEP) -> int:
    """The next length of a geometric grid of multiples of `step`.

    >>> [grid(n) for n in (3, 9, 100, 1000)], [grid(n, 1.5, step=1) for n in (1, 2, 3, 5)]
    ([8, 16, 120, 1208], [1, 2, 3, 6])
    """
    return _span(length, growth, step)[1]


def _span(length: int, growth: float, step: int = _STEP) -> tuple[int, int]:
    """The shortest and the longest length between two of a grid."""
    before, size = 0, step
    while size < length:
        before, size = size, max(size + step, int(size * growth) // step * step)
    return before + 1, size


def declared(option: Any, keys: Sequence[str]) -> tuple[Shape, ...]:
    """The shapes that the key `buckets` lists: numbers of frames, or {stream: frames, "rows": sequences}.

    Args:
      option: the value of the key.
      keys: the streams that have lengths.

    Raises:
      BatchError: they are something else, or lack a stream.

    >>> [str(s) for s in declared([{"data": 50, "rows": 8}, 100], ["data"])]
    ['8 x (data 50)', '0 x (data 100)']
    """
    ways = ["buckets = [100, 200, 400]", "buckets = [{'data': 100, 'classes': 20, 'rows': 40}, …]", "buckets = 'exact'"]
    if not isinstance(option, list | tuple) or not option:
        raise BatchError(f"buckets is {brief(option)}, and no list of shapes", ways=ways)
    found = []
    for entry in option:
        given = entry if isinstance(entry, Mapping) else dict.fromkeys(keys, entry)
        lengths: dict[str, Any] = {key: n for key, n in given.items() if key != "rows"}
        wrong = [n for n in given.values() if isinstance(n, bool) or not isinstance(n, int) or n <= 0]
        if wrong:
            raise BatchError(f"buckets has {brief(entry)}: numbers of frames are whole and above 0", ways=ways)
        missing = [key for key in keys if key not in lengths]
        if missing:
            raise BatchError(
                f"buckets has {brief(entry)}, which says nothing of the stream {missing[0]!r}",
                ways=[f"streams with lengths: {', '.join(keys)}"],
            )
        found.append(Shape(given.get("rows") or 0, lengths))
    return tuple(sorted(found, key=lambda shape: sum(shape.frames.values())))


def from_batches(
    batches: Iterable[Shape], most: int = MOST, slack: float = SLACK, multiple: int = 1
) -> tuple[Shape, ...]:
    """Few shapes that hold all these batches with little padding.

    The batches are sorted by their longest stream and cut into groups, each with the largest sizes of its batches; the cuts are those with the
    fewest padded frames (dynamic programming over the groups).

    Args:
      batches: their shapes without padding.
      most: so many shapes at most.
      slack: fewer shapes are taken as soon as their padded frames are within this factor of what the batches have themselves.
      multiple: rows are a multiple of it.

    >>> made = from_batches([Shape(9, {"data": 10}), Shape(8, {"data": 11}), Shape(1, {"data": 90})])
    >>> [str(shape) for shape in made]
    ['1 x (data 90)', '9 x (data 11)']
    """
    counts: dict[Shape, int] = {}
    for shape in batches:
        counts[shape] = counts.get(shape, 0) + 1
    if not counts:
        return ()
    keys = list(next(iter(counts)).frames)
    ordered = sorted(counts, key=lambda s: (max(s.frames.values(), default=0), s.rows))
    sizes = np.array([[s.rows, *(s.frames[key] for key in keys)] for s in ordered], np.int64)
    weights = np.array([counts[s] for s in ordered], np.int64)
    sizes[:, 0] = -(-sizes[:, 0] // multiple) * multiple
    own = int((weights * _cells(sizes)).sum())
    sizes, weights = _coarser(sizes, weights)
    cuts = _best_cuts(sizes, weights, most, slack * own)
    found = {
        Shape(int(top[0]), dict(zip(keys, map(int, top[1:]), strict=True)))
        for top in (sizes[a:b].max(axis=0) for a, b in cuts)
    }
    return _sorted(found)


def _sorted(shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    return tuple(sorted(shapes, key=lambda shape: (shape.cells, *shape.frames.values(), shape.rows)))


def _cells(sizes: np.ndarray) -> np.ndarray:
    return sizes[..., 0] * np.maximum(sizes[..., 1:].sum(axis=-1), 1)


def _coarser(sizes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `_DISTINCT` sizes: neighbours become one, with the larger numbers."""
    if len(sizes) <= _DISTINCT:
        return sizes, weights
    starts = np.unique(np.linspace(0, len(sizes), _DISTINCT, endpoint=False).astype(int))
    return np.maximum.reduceat(sizes, starts), np.add.reduceat(weights, starts)


def _best_cuts(sizes: np.ndarray, weights: np.ndarray, most: int, enough: float) -> list[tuple[int, int]]:
    """The groups (first, behind the last) of the fewest padded frames, and as few of them as are enough."""
    count = len(sizes)
    cost = np.full((count + 1, count + 1), np.inf)  # of a group from one place to another
    for first in range(count):
        tops = np.maximum.accumulate(sizes[first:], axis=0)
        cost[first, first + 1 :] = np.cumsum(weights[first:]) * _cells(tops)
    best, back = [cost[0]], [np.zeros(count + 1, int)]
    while best[-1][count] > enough and len(best) < min(most, count):
        total = best[-1][:, None] + cost
        back.append(total.argmin(axis=0))
        best.append(total.min(axis=0))
    cuts, end = [], count
    for starts in reversed(back):
        cuts.append((int(starts[end]), end))
        end = int(starts[end])
    return [(a, b) for a, b in reversed(cuts) if a < b]
