"""Chunks: sequences cut into overlapping pieces of equal size.

The option `chunking` is RETURNN's: "50:25" (size and step), "50" (both), a pair, dictionaries by stream, or 0 for none.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenure.core.errors import brief
from tenure.training.batching.frames import ZERO, Frames, Number
from tenure.training.errors import BatchError

Span = tuple[Frames, Frames]  # where a piece starts and ends


@dataclass(frozen=True)
class Chunking:
    """How sequences are cut.

    Attributes:
      size: frames of a chunk.
      step: frames from the start of a chunk to the start of the next.
      least: no chunk starts where at most so many frames are left, except the first.
      variance: a sequence's chunks are shorter by a random share of up to so much.

    >>> [(int(a["data"]), int(b["data"])) for a, b in Chunking.parse("4:3").spans(Frames({"data": 9}), None)]
    [(0, 4), (3, 7), (6, 9)]
    """

    size: Frames
    step: Frames
    least: Frames = ZERO
    variance: float = 0.0

    @classmethod
    def parse(cls, chunking: Any, least: Any = 0, variance: float = 0.0) -> Chunking | None:
        """Reads the options `chunking`, `min_chunk_size` and `chunking_variance`; None if nothing is to be cut.

        Raises:
          BatchError: they cannot be read.
        """
        size, step = _pair(chunking)
        if not size.largest():
            return None
        if step.rest == 0 or (step.rest is None and not step.of):
            step = size
        if (
            set(size.of) != set(step.of)
            or step.largest() <= 0
            or any(v < 0 for f in (size, step) for v in [*f.of.values(), f.rest or 0])
        ):
            raise _unreadable(chunking)
        return cls(size, step, Frames.of_value(least), variance)

    def spans(
        self, lengths: Frames, keys: Sequence[str] | None, generator: random.Random | None = None
    ) -> Iterator[Span]:
        """The chunks of one sequence.

        Args:
          lengths: of its streams.
          keys: the streams that the network uses; None for all.
          generator: random numbers, for a variance.

        Raises:
          BatchError: streams that do not fall into equally many chunks, or a stream without a size.
        """
        used = lengths if keys is None else lengths.only(keys)
        size, step = self._varied(used, keys, generator)
        whole = [key for key, length in used.of.items() if length <= 1]
        leading = _leading(used, keys, step)
        self._check(used, whole, leading, size, step)
        start = Frames(dict.fromkeys(used.of, 0))
        while used[leading] > start[leading]:
            end = (start + size).smaller(used)
            begin = {key: 0 if key in whole else value for key, value in start.of.items()}
            yield Frames(begin), Frames({key: used[key] if key in whole else v for key, v in end.of.items()})
            start = start + step
            if any(used[key] - start[key] <= self._least(key) for key in used.of):
                return

    def _least(self, key: str) -> Number:
        least = self.least.get(key)
        if least is None:
            raise BatchError(f"min_chunk_size says nothing of the stream {key!r}", ways=[f"add {key!r} to it"])
        return least

    def _check(self, used: Frames, whole: Sequence[str], leading: str, size: Frames, step: Frames) -> None:
        for key in used.of:
            if key not in whole and (size.get(key) is None or not step.get(key)):
                raise BatchError(
                    f"chunking has no size or step for the stream {key!r}", ways=[f"add {key!r} to 'chunking'"]
                )
        alike = [key for key in used.of if step.get(key) == step[leading]]
        if any(
            used[key] != used[leading]
            if key in alike
            else self._count(used, step, key) != self._count(used, step, leading)
            for key in used.of
            if key not in whole
        ):
            told = ", ".join(f"{key}: {length} frames" for key, length in used.of.items())
            raise BatchError(
                f"chunking: the streams of a sequence do not have equally many chunks ({told})",
                ways=["give 'chunking' sizes by stream: ({'data': 30, 'classes': 10}, {'data': 15, 'classes': 5})"],
            )

    def _count(self, used: Frames, step: Frames, key: str) -> int:
        return math.ceil((used[key] - max(self._least(key), 1) + 1) / step[key])

    def _varied(self, used: Frames, keys: Sequence[str] | None, generator: random.Random | None) -> Span:
        if keys is None or self.variance <= 0 or generator is None:
            return self.size, self.step
        factor = 1 - generator.random() * self.variance
        known = [key for key in used.of if None not in (self.size.get(key), self.step.get(key))]
        return (
            _scaled(self.size, self.step, known, factor) if any(map(self.step.get, known)) else (self.size, self.step)
        )


def _scaled(size: Frames, step: Frames, keys: Sequence[str], factor: float) -> Span:
    """Sizes and steps times a factor; a size that is a multiple of the one with the smallest step stays that multiple."""
    smallest = min((key for key in keys if step[key] > 0), key=lambda key: (step[key], key))
    ratios = {k: _ratio(size[k], size[smallest]) for k in keys}
    return tuple(
        Frames({**old.of, **{k: _times(old, k, smallest, factor, ratios[k]) for k in keys}}) for old in (size, step)
    )  # type: ignore[return-value]


def _ratio(size: Number, smallest: Number) -> int:
    """How many times the smallest size a larger one is, or 0 if it is not a multiple of that."""
    return int(size // smallest) if size > smallest > 0 == size % smallest else 0


def _times(old: Frames, key: str, smallest: str, factor: float, ratio: int) -> int:
    if ratio:
        return max(int(old[smallest] * factor), 1) * ratio
    return max(int(old[key] * factor), 1)


def _leading(used: Frames, keys: Sequence[str] | None, step: Frames) -> str:
    """The stream that says when a sequence ends: "data", or the first of those used."""
    name = "data" if keys is None or "data" in used.of else min(used.of)
    if step.get(name) == 0 and keys is not None:
        name = min((key for key in used.of if step.get(key)), default=name)
    if name not in used.of or not step.get(name):
        raise BatchError(f"chunking: there is no stream {name!r} with a step to cut by")
    return name


def _pair(chunking: Any) -> tuple[Frames, Frames]:
    if isinstance(chunking, str):
        try:
            parts = [int(part) for part in chunking.split(":")] if ":" in chunking else [int(chunking), None]
        except ValueError:
            raise _unreadable(chunking) from None
    elif isinstance(chunking, list | tuple):
        parts = list(chunking)
    else:
        parts = [chunking or 0, None]
    if len(parts) != 2 or not all(_is_size(part) for part in parts):
        raise _unreadable(chunking)
    return Frames.of_value(parts[0] or 0), Frames.of_value(parts[1] or 0)


def _is_size(part: Any) -> bool:
    if isinstance(part, Mapping):
        return all(isinstance(v, int) for v in part.values())
    return part is None or isinstance(part, int)


def _unreadable(chunking: Any) -> BatchError:
    return BatchError(
        f"chunking is {brief(chunking)}", ways=["'50:25' (size and step)", "({'data': 50, …}, {'data': 25, …})", "0"]
    )
