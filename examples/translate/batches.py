"""Batches of few shapes, in an order that depends on the seed and the step only.

XLA compiles the training step once for each shape, which takes seconds. So a
sentence goes into the shortest of a few lengths that holds it, and a
batch of each length has about the same number of tokens. Batch number `step` is
a pure function of the data and the seed: a continued run needs to remember the step
and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .corpus import Pair
from .vocabulary import BOS, EOS, PAD, Vocabulary

LENGTHS = (8, 16, 32, 64)


class Batch(NamedTuple):
    """Three int32 arrays ``[sentences, length]``; padding is `PAD`.

    `labels` are `inputs` one position further on: what to predict from each prefix.
    """

    source: np.ndarray
    inputs: np.ndarray
    labels: np.ndarray

    @property
    def tokens(self) -> int:
        """The number of target pieces to predict."""
        return int((self.labels != PAD).sum())


class Example(NamedTuple):
    """The pieces of one sentence pair."""

    source: list[int]
    target: list[int]

    @property
    def length(self) -> int:
        """The longer side with its end of sentence."""
        return max(len(self.source), len(self.target)) + 1


def encode(pairs: Sequence[Pair], vocabulary: Vocabulary) -> list[Example]:
    """The pairs as pieces."""
    english = [vocabulary.encode(pair.english) for pair in pairs]
    german = [vocabulary.encode(pair.german) for pair in pairs]
    return [Example(source, target) for source, target in zip(english, german, strict=True)]


def bucket(length: int, lengths: Sequence[int] = LENGTHS) -> int:
    """The shortest of `lengths` that holds `length`.

    >>> bucket(9)
    16
    """
    return next(longest for longest in lengths if longest >= length)


def pad(rows: Sequence[Sequence[int]], count: int, length: int) -> np.ndarray:
    """An int32 array ``[count, length]`` of the rows, filled up with `PAD`."""
    array = np.full((count, length), PAD, np.int32)
    for number, row in enumerate(rows):
        array[number, : len(row)] = row
    return array


def make_batch(examples: Sequence[Example], count: int, length: int) -> Batch:
    """Pads `examples` to ``[count, length]``; missing sentences have nothing to predict."""
    source = [[*example.source, EOS] for example in examples]
    empty = [[EOS]] * (count - len(examples))
    return Batch(
        pad([*source, *empty], count, length),
        pad([[BOS, *example.target] for example in examples] + [[BOS]] * len(empty), count, length),
        pad([[*example.target, EOS] for example in examples], count, length),
    )


@dataclass(frozen=True)
class Batches:
    """The batches of `examples`, with about `tokens` positions each."""

    examples: Sequence[Example]
    tokens: int
    seed: int = 0
    lengths: tuple[int, ...] = LENGTHS
    _rows: dict[int, list[int]] = field(init=False, repr=False, compare=False)
    _length: int = field(init=False, repr=False, compare=False)
    _order: Callable[[int], Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        longest = max((example.length for example in self.examples), default=0)
        if longest > self.lengths[-1]:
            raise ValueError(f"a sentence of {longest} pieces; the longest bucket is {self.lengths}")
        rows: dict[int, list[int]] = {length: [] for length in self.lengths}
        for row, example in enumerate(self.examples):
            rows[bucket(example.length, self.lengths)].append(row)
        length = sum(-(-len(part) // self.count(size)) for size, part in rows.items())
        # what every step needs is worked out once; the dataclass is frozen
        object.__setattr__(self, "_rows", rows)
        object.__setattr__(self, "_length", length)
        object.__setattr__(self, "_order", lru_cache(maxsize=2)(self._shuffled))

    def __len__(self) -> int:
        """The number of batches in one epoch."""
        return self._length

    def count(self, length: int) -> int:
        """How many sentences of one length make a batch."""
        return max(1, self.tokens // length)

    def __getitem__(self, step: int) -> Batch:
        """Batch number `step`, which counts on over the epochs."""
        epoch, index = divmod(step, len(self))
        length, rows = self._order(epoch)[index]
        return make_batch([self.examples[row] for row in rows], self.count(length), length)

    def epoch(self) -> Iterator[Batch]:
        """The batches of the first epoch."""
        return (self[step] for step in range(len(self)))

    def _shuffled(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        random = np.random.default_rng([self.seed, epoch])
        order = []
        for length, rows in self._rows.items():
            shuffled, size = random.permutation(rows).astype(int), self.count(length)
            order += [(length, shuffled[i : i + size]) for i in range(0, len(rows), size)]
        random.shuffle(order)
        return order
