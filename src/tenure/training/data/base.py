"""What a data set is: sequences of named streams, and an order for every epoch.

A data set has no position. `data.epoch(n)` gives the sequences of epoch n, and `[i]` of that any of them, so that a training that goes
on after a stop looks at nothing that it has seen before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.batching.frames import Frames
from tenure.training.data.order import Indices, Order
from tenure.training.errors import DataSetError, OrderError


@dataclass(frozen=True)
class Stream:
    """One stream of a data set.

    Attributes:
      dim: the size of a frame; of sparse data, how many labels there are.
      sparse: frames are label indices.
      dtype: of the arrays.
      shape: of one sequence: None for its length, then the sizes of a frame; () for a single value.
      labels: names of the label indices.
    """

    dim: int
    sparse: bool = False
    dtype: str = "float32"
    shape: tuple[int | None, ...] = ()
    labels: Sequence[str] | None = None

    @classmethod
    def like(cls, array: np.ndarray, dim: int | None = None, *, dims: int | None = None) -> Stream:
        """The stream of which `array` is a sequence."""
        ndim = array.ndim if dims is None else dims
        sparse = ndim <= 1 and array.dtype.kind in "iu"
        size = dim if dim is not None else (array.shape[-1] if ndim > 1 else 1)
        return cls(size, sparse, str(array.dtype), (None, *array.shape[1:]) if array.ndim else ())


@dataclass(frozen=True)
class Item:
    """One sequence.

    Attributes:
      tag: its name.
      data: an array for each stream, time first.
      index: where it is in the data set.
    """

    tag: str
    data: Mapping[str, np.ndarray]
    index: int

    def lengths(self) -> Frames:
        """The frames of each stream; 1 of one without time."""
        return Frames({key: len(array) if array.ndim else 1 for key, array in self.data.items()})


@dataclass(frozen=True)
class Epoch(Sequence):
    """The sequences of one epoch, in its order.

    Attributes:
      load: gives a sequence by its index in the data set.
      indices: of the sequences.
      measure: gives the lengths of a sequence by its index, without loading it if possible.
      guess: gives about these lengths, and loads nothing.
    """

    load: Callable[[int], Item]
    indices: Indices
    measure: Callable[[int], Frames]
    guess: Callable[[int], Frames] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: Any) -> Any:
        return self.load(int(self.indices[position]))

    def lengths(self, position: int) -> Frames:
        """The frames of each stream of a sequence."""
        return self.measure(int(self.indices[position]))

    def guessed(self, position: int) -> Frames:
        """About the frames of each stream of a sequence; those that `lengths` gives where nobody guesses."""
        return (self.guess or self.measure)(int(self.indices[position]))


@dataclass
class DataSet(ABC):
    """Base of all data sets.

    Attributes:
      order: how its sequences are ordered.
      name: for messages.
    """

    order: Order = field(default_factory=Order, kw_only=True)
    name: str = field(default="", kw_only=True)

    @property
    @abstractmethod
    def streams(self) -> Mapping[str, Stream]:
        """Its streams by name, the input first."""

    @property
    def target_streams(self) -> list[str]:
        """The streams that are targets."""
        return [key for key in self.streams if key != "data"]

    @abstractmethod
    def count(self) -> int | float:
        """How many sequences it has; infinity if they never end."""

    @property
    def files_read(self) -> Sequence[str]:
        """Files that it reads and that its options do not name."""
        return ()

    @property
    def knows_lengths(self) -> bool:
        """Whether `measure` need not load a sequence."""
        return False

    @abstractmethod
    def load(self, index: int, epoch: int) -> Item:
        """One sequence."""

    def measure(self, index: int, epoch: int) -> Frames:
        """The frames of each stream of a sequence; data sets that know them do not load it."""
        return self.load(index, epoch).lengths()

    @property
    def guesses_lengths(self) -> bool:
        """Whether `guess` need not load a sequence."""
        return self.knows_lengths

    def guess(self, index: int, epoch: int) -> Frames:
        """About the frames of each stream of a sequence, for the shapes of batches: such as from listed durations."""
        return self.measure(index, epoch)

    def sort_lengths(self, epoch: int) -> np.ndarray:
        """The lengths of all sequences, by which they are sorted.

        Raises:
          OrderError: they are not known.
        """
        key = next(iter(self.streams))
        return np.array([self.measure(i, epoch)[key] for i in range(int(self.count()))])

    @property
    def knows_tags(self) -> bool:
        """Whether `tags` need not load sequences."""
        return True

    def tag(self, index: int) -> str:
        """The tag of a sequence."""
        return f"seq-{index}"

    @cached_property
    def tags(self) -> list[str]:
        """The tags of all sequences."""
        return [self.tag(index) for index in range(int(self.count()))]

    @cached_property
    def by_tag(self) -> Mapping[str, int]:
        """Indices by tag, the last one of several."""
        return {tag: index for index, tag in enumerate(self.tags)}

    def find(self, tag: str) -> int:
        """The index of a sequence.

        Raises:
          DataSetError: there is none with that tag.
        """
        if tag not in self.by_tag:
            raise DataSetError(
                f"{self.name or type(self).__name__}: no sequence has the tag {tag!r}",
                near=nearest(tag, self.tags[:2000]),
            )
        return self.by_tag[tag]

    def indices(self, epoch: int) -> Indices:
        """The sequences of an epoch, in order."""
        count = self.count()
        if not count:
            files = getattr(self, "files", None)
            kind = type(self).__name__
            raise OrderError(
                (f"the data set {self.name!r} ({kind})" if self.name else kind)
                + f" has no sequences{f' in {brief(files)}' if files else ''}"
            )
        if count == float("inf"):
            return range(2**62)
        return self.order.indices(epoch, int(count), lambda: self.sort_lengths(epoch), lambda: self.tags)

    def epoch(self, number: int, *, tags: Sequence[str] | None = None, indices: Indices | None = None) -> Epoch:
        """The sequences of an epoch.

        Args:
          number: of the epoch, from 1.
          tags: these sequences instead, in this order.
          indices: likewise, by index.
        """
        if tags is not None:
            indices = [self.find(tag) for tag in tags]
        elif indices is None:
            indices = self.indices(number)
        elif wrong := [index for index in indices if not 0 <= index < self.count()]:
            raise DataSetError(
                f"{self.name or type(self).__name__}: there is no sequence {wrong[0]}, as there are {self.count()}, counted from 0"
            )
        return Epoch(
            *(lambda i: self.load(i, number), indices, lambda i: self.measure(i, number)),
            lambda i: self.guess(i, number),
        )


def seed_of(epoch: int, index: int) -> int:
    """The seed of what is drawn for one sequence of an epoch, wherever it is loaded.

    >>> seed_of(1, 2)
    1000005
    """
    return (epoch * 1_000_003 + index) & 0x7FFFFFFF


def windowed(array: np.ndarray, window: int) -> np.ndarray:
    """Frames with those around them, zeros beyond the ends: [time, feature] -> [time, window * feature].

    >>> windowed(np.array([[1.0], [2.0]]), 3).tolist()
    [[0.0, 1.0, 2.0], [1.0, 2.0, 0.0]]
    """
    if window <= 1:
        return array
    left = (window - 1) // 2
    padded = np.pad(array, [(left, window - 1 - left), (0, 0)])
    return np.concatenate([padded[i : i + len(array)] for i in range(window)], axis=1)


def unknown(kind: str, name: Any, known: Sequence[str]) -> DataSetError:
    """The error of a name that is not known."""
    return DataSetError(f"{kind} {name!r} is not known", near=nearest(str(name), known), ways=[", ".join(known)])
