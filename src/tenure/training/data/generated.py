"""Generated tasks: sequences that are a function of the epoch's seed and their index."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tenure.training.batching.frames import Frames
from tenure.training.data.base import DataSet, Item, Stream, windowed
from tenure.training.errors import DataSetError


@dataclass
class Generated(DataSet):
    """Base of generated tasks.

    Args:
      num_seqs: how many sequences an epoch has; infinity is allowed.
      window: so many frames of the input are joined.
    """

    num_seqs: float = float("inf")
    window: int = 1

    def __post_init__(self) -> None:
        if self.order.method in ("sorted", "sorted_reverse"):
            self.order = replace(self.order, method="default")

    @property
    def knows_lengths(self) -> bool:
        return self.count() < float("inf")  # making a sequence costs little

    def count(self) -> float:
        return self.num_seqs if self.num_seqs == float("inf") else int(self.num_seqs)

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        own = dict(self.made_streams())
        data = own["data"]
        if self.window > 1:
            own["data"] = replace(data, dim=data.dim * self.window, shape=(None, data.dim * self.window))
        return own

    @abstractmethod
    def made_streams(self) -> Mapping[str, Stream]:
        """The streams before frames are joined."""

    @abstractmethod
    def made(self, index: int, epoch: int) -> Mapping[str, np.ndarray]:
        """The arrays of a sequence before frames are joined."""

    def load(self, index: int, epoch: int) -> Item:
        data = dict(self.made(index, epoch))
        data["data"] = windowed(data["data"], self.window)
        return Item(self.tag(index), data, index)

    def generator(self, index: int, epoch: int) -> np.random.RandomState:
        """Random numbers of a sequence."""
        return np.random.RandomState((self.order.seed(epoch), index))


def _dense(dim: int) -> Stream:
    return Stream(dim, shape=(None, dim))


def _sparse(dim: int, labels: Sequence[str] | None = None) -> Stream:
    return Stream(dim, True, "int32", (None,), labels)


def _one_hot(indices: Sequence[int], dim: int) -> np.ndarray:
    return np.eye(dim, dtype="float32")[np.asarray(indices, int)]


@dataclass
class Task12AX(Generated):
    """12AX: after a 1, AX is a target, after a 2, BY (Frank et al., 2001).

    >>> item = Task12AX(num_seqs=3).epoch(1)[0]
    >>> item.data["data"].shape, item.data["classes"].sum()
    ((84, 9), np.int64(13))
    """

    def made_streams(self) -> Mapping[str, Stream]:
        return {"data": _dense(9), "classes": _sparse(2)}

    def made(self, index: int, epoch: int) -> Mapping[str, np.ndarray]:
        random = self.generator(index, epoch)
        length = random.randint(10, 100)
        text: list[str] = []
        for part in _of_12ax(random):
            text += part
            if len(text) >= length:
                break
        symbols = "".join(text)[:length]
        return {"data": _one_hot([_12AX.index(s) for s in symbols], 9), "classes": np.array(_targets(symbols), "int32")}


_12AX = "123ABCXYZ"


def _of_12ax(random: np.random.RandomState) -> Iterator[str]:
    """A context, perhaps; then again and again: a new context, a pair, and other symbols, each perhaps."""
    yield str(random.choice(["", "1", "2"]))
    while True:
        if random.uniform() < 0.5:
            yield str(random.choice(["1", "2"]))
        if random.uniform() <= 0.9:
            yield str(random.choice(["AX", "BY"]))
        while random.uniform() < 0.5:
            yield str(random.choice(list(_12AX)))


def _targets(symbols: str) -> list[int]:
    """1 for an X after an A in the context of a 1, and a Y after a B in that of a 2; what lies between does not matter."""
    context, letter, found = "", "", []
    for symbol in symbols:
        found.append(int(context + letter + symbol in ("1AX", "2BY")))
        if symbol in "12":
            context = symbol
        elif symbol in "ABXY":
            letter = symbol
    return found


@dataclass
class EpisodicCopy(Generated):
    """Symbols to remember, a pause, and then to say (Arjovsky et al., 2015)."""

    def made_streams(self) -> Mapping[str, Stream]:
        return {"data": _dense(10), "classes": _sparse(10)}

    def made(self, index: int, epoch: int) -> Mapping[str, np.ndarray]:
        random = self.generator(index, epoch)
        symbols = [2 + int(random.choice(list("01234567"))) for _ in range(random.randint(1, 10))]
        pause = random.randint(1, 100)
        data = [*symbols, *[0] * pause, *[1] * (len(symbols) + 2)]
        classes = [*[0] * (len(symbols) + pause + 1), *symbols, 1]
        return {"data": _one_hot(data, 10), "classes": np.array(classes, "int64")}


@dataclass
class XmlModeling(Generated):
    """Nested tags; what a closing tag says is known before (Jozefowicz et al., 2015).

    Args:
      limit_stack: tags are nested no deeper.
    """

    limit_stack: int = 4

    def made_streams(self) -> Mapping[str, Stream]:
        return {"data": _dense(12), "classes": _sparse(12)}

    def made(self, index: int, epoch: int) -> Mapping[str, np.ndarray]:
        data, known = [" "], ["<"]
        for symbols, targets in _tags(self.generator(index, epoch), self.limit_stack):
            data += symbols
            known += targets
        return {
            "data": _one_hot([_XML.index(s) for s in data], 12),
            "classes": np.array([_XML.index(s) for s in known], "int64"),
        }


_XML = " <>/abcdefgh"


def _tags(random: np.random.RandomState, limit: int) -> Iterator[tuple[str, str]]:
    """Tags, each with the symbol that is known to follow each of its own, or a space."""
    stack: list[str] = []
    while True:
        name = "".join(str(random.choice(list("abcdefgh"))) for _ in range(random.randint(1, 10)))
        stack.append(name)
        yield f"<{name}>", " " * (len(name) + 1) + "<"
        while stack and (len(stack) >= limit or random.rand() <= 0.6):
            name = stack.pop()
            yield f"</{name}>", f" {name}><"
        if not stack and random.rand() >= 0.2:
            return


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass
class NumberBaseConvert(Generated):
    """A number in one base, and in another.

    Args:
      input_base, output_base: 2 to 36.
      min_input_seq_len, max_input_seq_len: digits of the input.
    """

    input_base: int = 8
    output_base: int = 2
    min_input_seq_len: int = 1
    max_input_seq_len: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (2 <= self.input_base <= 36 and 2 <= self.output_base <= 36):
            raise DataSetError("TaskNumberBaseConvertDataset: bases are 2 to 36")

    def made_streams(self) -> Mapping[str, Stream]:
        bases = {"data": self.input_base, "classes": self.output_base}
        return {key: _sparse(base, list(_DIGITS[:base])) for key, base in bases.items()}

    def made(self, index: int, epoch: int) -> Mapping[str, np.ndarray]:
        random = self.generator(index, epoch)
        length = random.randint(self.min_input_seq_len, self.max_input_seq_len + 1)
        digits = [int(random.randint(0, self.input_base)) for _ in range(length)]
        number = 0
        for digit in digits:
            number = number * self.input_base + digit
        return {"data": np.array(digits, "int64"), "classes": np.array(_in_base(number, self.output_base), "int64")}


def _in_base(number: int, base: int) -> list[int]:
    digits = [number % base]
    while number >= base:
        number //= base
        digits.insert(0, number % base)
    return digits


@dataclass
class CopyTask(Generated):
    """Symbols, which are the target too.

    Args:
      nsymbols: how many symbols there are.
      minlen, maxlen: the length of sequences …
      minlen_epoch_factor, maxlen_epoch_factor: … and how they grow with each epoch.
    """

    nsymbols: int = 0
    minlen: int = 0
    maxlen: int = 0
    minlen_epoch_factor: float = 0.0
    maxlen_epoch_factor: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nsymbols < 1 or not 0 < self.minlen <= self.maxlen:
            raise DataSetError(
                "CopyTaskDataset: nsymbols, minlen and maxlen must be at least 1, and minlen at most maxlen"
            )

    def made_streams(self) -> Mapping[str, Stream]:
        return {"data": _sparse(self.nsymbols), "classes": _sparse(self.nsymbols)}

    def made(self, index: int, epoch: int) -> Mapping[str, np.ndarray]:
        random = self.generator(index, epoch)
        least = int(self.minlen + self.minlen_epoch_factor * epoch)
        most = int(self.maxlen + self.maxlen_epoch_factor * epoch)
        if least > most:
            raise DataSetError(f"CopyTaskDataset: lengths from {least} to {most} in epoch {epoch}")
        symbols = [int(random.randint(0, self.nsymbols)) for _ in range(random.randint(least, most + 1))]
        array = np.array(symbols, "int8" if self.nsymbols <= 128 else "int32")
        return {"data": array, "classes": array.copy()}


@dataclass
class Ramps(Generated):
    """Base of data sets of counted numbers.

    Args:
      input_max_value: where counting starts anew.
      input_shift: added to each number, minus half of `input_max_value` if not given …
      input_scale: … before it is multiplied by this, one part of `input_max_value` if not given.
    """

    input_max_value: float = 10.0
    input_shift: float | None = None
    input_scale: float | None = None

    def ramp(self, start: int, length: int, dim: int, dtype: str) -> np.ndarray:
        """Numbers that go up, again and again: [length, dim]."""
        shift = -self.input_max_value / 2.0 if self.input_shift is None else self.input_shift
        scale = 1.0 / self.input_max_value if self.input_scale is None else self.input_scale
        numbers = (np.arange(start, start + length * dim) % self.input_max_value + shift) * scale
        return numbers.astype(dtype).reshape(length, dim)


@dataclass
class Dummy(Ramps):
    """Numbers that only look like data.

    Args:
      input_dim, output_dim: sizes of the streams.
      seq_len: of every sequence; by stream for sequences that are not equally long.
    """

    input_dim: int = 1
    output_dim: int = 1
    seq_len: Any = 2

    def made_streams(self) -> Mapping[str, Stream]:
        return {"data": _dense(self.input_dim), "classes": _sparse(self.output_dim)}

    def made(self, index: int, epoch: int) -> Mapping[str, np.ndarray]:
        lengths = Frames.of_value(self.seq_len)
        data, classes = int(lengths["data"]), int(lengths["classes"])
        start = index + data * self.input_dim
        float_type, int_type = ("float64", "int64") if lengths.of else ("float32", "int32")
        return {
            "data": self.ramp(index, data, self.input_dim, float_type),
            "classes": (np.arange(start, start + classes) % self.output_dim).astype(int_type),
        }


@dataclass
class DummyOfLengths(Dummy):
    """Numbers that only look like data, in streams that are not equally long. Options as of `Dummy`."""

    seq_len: Any = field(default_factory=lambda: {"data": 10, "classes": 20})


@dataclass
class DummyKeys(Ramps):
    """Numbers that only look like data, in streams of any name.

    Args:
      output_dim: (size, number of axes) of each stream.
      data_keys: their names.
      seq_len: of every sequence, or by stream.
    """

    output_dim: Any = None
    data_keys: Sequence[str] | None = None
    seq_len: Any = 20

    def made_streams(self) -> Mapping[str, Stream]:
        keys = list(self.data_keys or ["data", "classes"])
        if not {"data", "classes"} <= set(keys) or any(key not in self.output_dim for key in keys):
            raise DataSetError(
                "DummyDatasetMultipleDataKeys: needs the streams 'data' and 'classes', and output_dim for all"
            )
        return {key: _dense(d) if n > 1 else _sparse(d) for key, (d, n) in ((k, self.output_dim[k]) for k in keys)}

    def made(self, index: int, epoch: int) -> Mapping[str, np.ndarray]:
        lengths = Frames.of_value(self.seq_len)
        found, start = {}, index
        for key, stream in self.made_streams().items():
            length = int(lengths[key])
            if stream.sparse:
                found[key] = np.arange(start, start + length) % stream.dim
            else:
                found[key] = self.ramp(start, length, stream.dim, "float64")
            start += length * (1 if stream.sparse else stream.dim)
        return found
