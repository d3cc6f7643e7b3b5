"""Which sequences come together in a batch: a plan made from lengths alone.

The rules, and the numbers, are RETURNN's: a batch is closed as soon as one more sequence would make its padded frames more than
`batch_size`, its sequences more than `max_seqs`, or its padding more than `max_pad_size`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenure.core.errors import brief
from tenure.training.batching.chunking import Chunking, Span
from tenure.training.batching.context import Context
from tenure.training.batching.frames import UNLIMITED, ZERO, Frames
from tenure.training.errors import BatchError


@dataclass(frozen=True)
class Piece:
    """A sequence, or a part of one, in a batch.

    Attributes:
      index: of the sequence, in the order of the epoch.
      start: its first frame, by stream; below 0 for context before the sequence.
      end: the frame after its last one.
      row: of the batch.
      offset: frames before it in that row.
    """

    index: int
    start: Frames
    end: Frames
    row: int
    offset: Frames = ZERO


@dataclass(frozen=True)
class Batch:
    """Pieces that are trained on together.

    Attributes:
      pieces: in the order of rows.
      rows: how many.
      frames: the padded length of every stream.
    """

    pieces: tuple[Piece, ...] = ()
    rows: int = 0
    frames: Frames = ZERO

    @property
    def sequences(self) -> int:
        """How many different sequences it has, counted from the first to the last one."""
        return self.pieces[-1].index - self.pieces[0].index + 1 if self.pieces else 0

    def with_frames(self, index: int, span: Span) -> Batch:
        """The batch with frames appended to its only row."""
        offset = Frames(rest=self.frames.largest())
        piece = Piece(index, *span, row=0, offset=offset)
        return Batch((*self.pieces, piece), 1, offset + (span[1] - span[0]))


@dataclass(frozen=True)
class Batching:
    """The limits of batches.

    Attributes:
      batch_size: padded frames of a batch, for all streams or by stream.
      packed_batch_size: frames without padding.
      max_seqs: rows of a batch; -1 for any number.
      max_seq_length: longer sequences are left out; a negative number is a limit for the stream "classes".
      min_seq_length: shorter ones are left out.
      max_pad_size: frames of padding.
      max_total_num_seqs: the epoch ends after so many sequences; -1 for all.
      seq_drop: the share of sequences that are left out at random.
      recurrent: False puts the frames of all sequences into one row, and cuts at `batch_size`.
      keys: the streams that count; None for all.

    >>> lengths = [Frames({"data": n}) for n in (3, 5, 4, 9)]
    >>> [[p.index for p in b.pieces] for b in Batching(batch_size=10).batches(lengths)]
    [[0, 1], [2], [3]]
    """

    batch_size: Frames = UNLIMITED
    packed_batch_size: Frames = UNLIMITED
    max_seqs: float = -1
    max_seq_length: Frames = UNLIMITED
    min_seq_length: Frames = ZERO
    max_pad_size: Frames = UNLIMITED
    max_total_num_seqs: int = -1
    seq_drop: float = 0.0
    recurrent: bool = True
    keys: tuple[str, ...] | None = field(default=None)

    def __post_init__(self) -> None:
        for name in ("batch_size", "packed_batch_size", "max_seq_length", "min_seq_length", "max_pad_size"):
            object.__setattr__(self, name, _limits(name, getattr(self, name)))
        object.__setattr__(self, "max_total_num_seqs", self.max_total_num_seqs or -1)
        if not (_set(self.batch_size) or _set(self.packed_batch_size)):
            raise BatchError("batch_size must be a number of frames above 0", ways=["batch_size = 5000"])
        if not self.recurrent and _set(self.packed_batch_size):
            raise BatchError("packed_batch_size is for batches with a row for each sequence")
        if not 0 <= self.seq_drop <= 1:
            raise BatchError(f"seq_drop is a share from 0 to 1, not {brief(self.seq_drop)}")
        if self.max_seqs != -1 and self.max_seqs <= 0:
            raise BatchError(f"max_seqs must be at least 1, or -1 for any number, not {brief(self.max_seqs)}")

    def batches(
        self,
        lengths: Iterable[Frames],
        chunking: Chunking | None = None,
        context: Context | None = None,
        seed: int = 0,
    ) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
          lengths: of the streams of each sequence, in the order of the epoch.
          chunking: how sequences are cut, if at all.
          context: frames that are added at both ends of every piece.
          seed: of the epoch's random numbers (`seq_drop`, the variance of chunks).
        """
        generator = random.Random(seed)
        spans = self._spans(lengths, chunking, context, generator)
        return self._rows(spans, generator) if self.recurrent else self._frames(spans)

    def _spans(
        self, lengths: Iterable[Frames], chunking: Chunking | None, context: Context | None, generator: random.Random
    ) -> Iterator[tuple[int, Span]]:
        for index, length in enumerate(lengths):
            if chunking is None or not self.recurrent:
                spans: Iterable[Span] = [(Frames(dict.fromkeys(length.of, 0)), length)]
            else:
                spans = chunking.spans(length, self.keys, generator)
            for span in spans:
                yield index, span if context is None else context.widened(span)

    def _rows(self, spans: Iterable[tuple[int, Span]], generator: random.Random) -> Iterator[Batch]:
        rows, counted = _Rows(), _Counted(self.max_total_num_seqs)
        for index, span in spans:
            length = span[1] - span[0]
            if self._left_out(length):
                continue
            if generator.random() < self.seq_drop:
                continue
            frames, packed = rows.frames.larger(length), rows.packed + length
            if rows.pieces and self._too_much(len(rows.pieces) + 1, frames, packed):
                yield rows.batch()
                rows, frames, packed = _Rows(), ZERO.larger(length), ZERO + length
            rows.pieces.append(Piece(index, *span, row=len(rows.pieces)))
            rows.frames, rows.packed = frames, packed
            if counted.enough(index):
                break
        if rows.frames.largest():
            yield rows.batch()

    def _left_out(self, length: Frames) -> bool:
        return length.exceeds(self.max_seq_length) or length.below(self.min_seq_length)

    def _too_much(self, rows: int, frames: Frames, packed: Frames) -> bool:
        if self.max_seqs != -1 and rows > self.max_seqs:
            return True
        padded = frames.map(lambda n: n * rows)
        if padded.exceeds(self.batch_size) or packed.exceeds(self.packed_batch_size):
            return True
        return _set(self.max_pad_size) and (padded - packed).exceeds(self.max_pad_size)

    def _frames(self, spans: Iterable[tuple[int, Span]]) -> Iterator[Batch]:
        """One row for all sequences. A sequence ends with the longest of its streams."""
        batch, counted = Batch(), _Counted(self.max_total_num_seqs)
        for index, (start, end) in spans:
            while start.largest() < end.largest():
                room = self.batch_size - batch.frames
                taken = (end - start).smaller(room.only(start.of))
                if taken.largest() <= 0:
                    raise _no_room(self.batch_size, end - start)
                batch = batch.with_frames(index, (start, start + taken))
                start = start + taken
                if batch.frames.reaches(self.batch_size) or (self.max_seqs != -1 and batch.sequences > self.max_seqs):
                    yield batch
                    batch = Batch()
            if counted.enough(index):
                break
        if batch.frames.largest() > 0:
            yield batch


@dataclass
class _Counted:
    """Counts the sequences of an epoch that are in its batches."""

    limit: int
    last: int = -1
    sequences: int = 0

    def enough(self, index: int) -> bool:
        """Counts a sequence; whether the epoch ends with it."""
        self.sequences += index != self.last
        self.last = index
        return 0 < self.limit < self.sequences


@dataclass
class _Rows:
    """A batch that grows row by row, with its frames without padding as a running sum: a plan takes time in proportion to its sequences."""

    pieces: list[Piece] = field(default_factory=list)
    frames: Frames = ZERO
    packed: Frames = ZERO

    def batch(self) -> Batch:
        return Batch(tuple(self.pieces), len(self.pieces), self.frames)


def _limits(name: str, value: Any) -> Frames:
    frames = Frames.of_value(value)
    least = 0 if name == "batch_size" else 1  # 0 leaves batch_size to packed_batch_size
    if name in ("batch_size", "packed_batch_size") and (
        any(v <= 0 for v in frames.of.values()) or (frames.rest is not None and frames.rest < least)
    ):
        raise BatchError(f"{name} is {brief(value)}: frames must be above 0")
    if name == "min_seq_length":
        return frames if frames.rest is not None or frames.of else ZERO
    if name == "max_seq_length" and frames.rest and frames.rest < 0:
        return Frames({"classes": -frames.rest})
    return frames if name == "max_pad_size" else Frames(frames.of, frames.rest or None)


def _no_room(limit: Frames, left: Frames) -> BatchError:
    stream = max(left.of, key=lambda key: left.of[key])
    return BatchError(
        f"batch_size is {brief(dict(limit.of))}: it has no room for the stream {stream!r}, which is longer than those it names",
        ways=[f"add {stream!r} to batch_size", "give one number for all streams"],
    )


def _set(frames: Frames) -> bool:
    return bool(frames.of) or frames.rest is not None


def options(given: Mapping[str, Any], keys: Sequence[str] | None = None) -> dict[str, Any]:
    """The arguments of `Batching` in a mapping with RETURNN's names, such as a config."""
    names = Batching.__dataclass_fields__
    return {key: value for key, value in given.items() if key in names} | {
        "keys": None if keys is None else tuple(keys)
    }
