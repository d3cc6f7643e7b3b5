"""Data sets made of a data set: sequences one after the other as one, several data sets as one, other ones for each epoch, made-up streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tenure.core.errors import nearest
from tenure.training.batching.frames import Frames
from tenure.training.data.base import DataSet, Epoch, Item, Stream
from tenure.training.data.joined import length_in
from tenure.training.data.order import Indices
from tenure.training.data.registry import opened
from tenure.training.errors import DataSetError
from tenure.training.literals import read_lines, read_value


@dataclass
class ConcatSeqsDataset(DataSet):
    """Several sequences of a data set as one.

    Args:
      dataset: options of the data set.
      seq_list_file: tags that are joined, with `seq_tag_delim` between them.
      seq_len_file: {tag: length} of the single sequences, to sort by.
      repeat_in_between_last_frame_up_to_multiple_of: {stream: number}: all but the last sequence are filled up with their last frame.
      remove_in_between_postfix: {stream: label}: which all but the last sequence must end in, and lose.
      pad_narrow_data_to_multiple_of_target_len: {stream: (target, number)}: filled up with the last frame to so many times the target;
        all but the last sequence are also cut to that.
    """

    dataset: Any = None
    seq_list_file: str | None = None
    seq_len_file: str | None = None
    seq_tag_delim: str = ";"
    repeat_in_between_last_frame_up_to_multiple_of: Mapping[str, int] | None = None
    remove_in_between_postfix: Mapping[str, int] | None = None
    pad_narrow_data_to_multiple_of_target_len: Mapping[str, tuple[str, int]] | None = None
    use_cache_manager: bool = False
    epoch_wise_filter: Any = None

    def __post_init__(self) -> None:
        if self.seq_list_file is None or self.seq_len_file is None:
            raise DataSetError("ConcatSeqsDataset needs 'seq_list_file' and 'seq_len_file'")
        self.part = opened(self.dataset)
        self.lists = [line for line in read_lines(self.seq_list_file, "seq_list_file") if line]
        self._lens: Mapping[str, Any] = read_value(self.seq_len_file, "seq_len_file")
        for line in self.lists:
            for tag in line.split(self.seq_tag_delim):
                if tag not in self._lens:
                    raise DataSetError(f"ConcatSeqsDataset: seq_len_file has no {tag!r}", near=nearest(tag, self._lens))

    @property
    def streams(self) -> Mapping[str, Stream]:
        return self.part.streams

    def count(self) -> int:
        return len(self.lists)

    def tag(self, index: int) -> str:
        return self.lists[index]

    def sort_lengths(self, epoch: int) -> np.ndarray:
        return np.array(
            [sum(length_in(self._lens[t], "data") for t in line.split(self.seq_tag_delim)) for line in self.lists]
        )

    def load(self, index: int, epoch: int) -> Item:
        tags = self.lists[index].split(self.seq_tag_delim)
        items = [self.part.load(self.part.find(tag), epoch) for tag in tags]
        pieces = [self._piece(item, last=number == len(items) - 1) for number, item in enumerate(items)]
        data = {key: np.concatenate([piece[key] for piece in pieces]) for key in self.streams if key in pieces[0]}
        return Item(self.lists[index], data, index)

    def _piece(self, item: Item, *, last: bool) -> dict[str, np.ndarray]:
        data = dict(item.data)
        if not last:
            for key, label in (self.remove_in_between_postfix or {}).items():
                if not len(data[key]) or data[key][-1] != label:
                    raise DataSetError(f"ConcatSeqsDataset: '{key}' of '{item.tag}' does not end in {label}")
                data[key] = data[key][:-1]
            for key, number in (self.repeat_in_between_last_frame_up_to_multiple_of or {}).items():
                data[key] = _filled(data[key], -(-len(data[key]) // number) * number)
        for key, (target, number) in (self.pad_narrow_data_to_multiple_of_target_len or {}).items():
            wanted = len(data[target]) * number
            data[key] = _filled(data[key], max(len(data[key]), wanted) if last else wanted)
        return data


def _filled(array: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([array[:length], np.repeat(array[-1:], max(length - len(array), 0), axis=0)])


@dataclass
class ConcatDataset(DataSet):
    """The sequences of several data sets, one data set after the other, each in its own order.

    Args:
      datasets: their options.
    """

    datasets: Sequence[Any] = ()

    def __post_init__(self) -> None:
        if self.order.method != "default":
            raise DataSetError(
                "ConcatDataset has no order of its own",
                ways=["give each of its data sets a 'seq_ordering'", "use CombinedDataset"],
            )
        self.parts = [opened(options) for options in self.datasets]
        if not self.parts:
            raise DataSetError("ConcatDataset: 'datasets' names none")

    @property
    def streams(self) -> Mapping[str, Stream]:
        return self.parts[0].streams

    def count(self) -> int:
        return sum(int(part.count()) for part in self.parts)

    def indices(self, epoch: int) -> Indices:
        starts = np.cumsum([0, *(int(part.count()) for part in self.parts)])
        return [
            int(start) + int(i) for part, start in zip(self.parts, starts, strict=False) for i in part.indices(epoch)
        ]

    def _find(self, index: int) -> tuple[DataSet, int]:
        for part in self.parts:
            if index < part.count():
                return part, index
            index -= int(part.count())
        raise DataSetError("ConcatDataset: there are no more sequences")

    def tag(self, index: int) -> str:
        part, inside = self._find(index)
        return part.tag(inside)

    @property
    def knows_lengths(self) -> bool:
        return all(part.knows_lengths for part in self.parts)

    @property
    def guesses_lengths(self) -> bool:
        return all(part.guesses_lengths for part in self.parts)

    def measure(self, index: int, epoch: int) -> Frames:
        part, inside = self._find(index)
        return part.measure(inside, epoch)

    def guess(self, index: int, epoch: int) -> Frames:
        part, inside = self._find(index)
        return part.guess(inside, epoch)

    def load(self, index: int, epoch: int) -> Item:
        part, inside = self._find(index)
        return replace(part.load(inside, epoch), index=index)


@dataclass
class MultiEpochDataset(DataSet):
    """Several epochs of a data set as one.

    Args:
      multi_epoch: how many.
      dataset: its options.
    """

    multi_epoch: int = 1
    dataset: Any = None

    def __post_init__(self) -> None:
        self.part = opened(self.dataset)

    @property
    def streams(self) -> Mapping[str, Stream]:
        return self.part.streams

    def count(self) -> float:
        return self.part.count()

    def tag(self, index: int) -> str:
        return self.part.tag(index)

    @property
    def knows_lengths(self) -> bool:
        return self.part.knows_lengths

    @property
    def guesses_lengths(self) -> bool:
        return self.part.guesses_lengths

    def load(self, index: int, epoch: int) -> Item:
        return self.part.load(index, epoch)

    def epoch(self, number: int, *, tags: Sequence[str] | None = None, indices: Indices | None = None) -> Epoch:
        inner = [self.part.epoch((number - 1) * self.multi_epoch + i + 1) for i in range(self.multi_epoch)]
        places = [(epoch, place) for epoch in inner for place in range(len(epoch))]

        def load(place: int) -> Item:
            epoch, inside = places[place]
            return replace(epoch[inside], index=place)

        return Epoch(
            *(load, range(len(places)), lambda place: places[place][0].lengths(places[place][1])),
            lambda place: places[place][0].guessed(places[place][1]),
        )


@dataclass
class VariableDataset(DataSet):
    """Another data set in every epoch.

    Args:
      get_dataset: a function (epoch, **_) -> options of a data set.
      dataset_lru_cache_size: so many data sets are kept.
    """

    get_dataset: Callable[..., Any] | None = None
    dataset_lru_cache_size: int = 1
    _made: dict[int, DataSet] = field(default_factory=dict, repr=False)

    def _of(self, epoch: int) -> DataSet:
        if self.get_dataset is None:
            raise DataSetError("VariableDataset needs 'get_dataset'")
        if epoch not in self._made:
            self._made = {epoch: opened(self.get_dataset(epoch=epoch))}
        return self._made[epoch]

    @property
    def streams(self) -> Mapping[str, Stream]:
        return (next(iter(self._made.values())) if self._made else self._of(1)).streams

    def count(self) -> float:
        return (next(iter(self._made.values())) if self._made else self._of(1)).count()

    def load(self, index: int, epoch: int) -> Item:
        return self._of(epoch).load(index, epoch)

    def epoch(self, number: int, *, tags: Sequence[str] | None = None, indices: Indices | None = None) -> Epoch:
        return self._of(number).epoch(number, tags=tags, indices=indices)


@dataclass
class AnythingDataset(DataSet):
    """Zeros for streams that somebody asks for and nobody looks at; it never ends.

    Args:
      data_keys: options of streams, as in extern_data.
    """

    data_keys: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        found = {}
        for key, options in self.data_keys.items():
            sparse = bool(options.get("sparse"))
            shape = tuple(options.get("shape", (None,) if sparse else (None, options["dim"])))
            found[key] = Stream(
                options["dim"], sparse, options.get("dtype", "int32" if sparse else "float32"), (None, *shape)
            )
        return found

    def count(self) -> float:
        return float("inf")

    def load(self, index: int, epoch: int) -> Item:
        data = {key: np.zeros([size or 1 for size in s.shape[1:]], s.dtype) for key, s in self.streams.items()}
        return Item(self.tag(index), data, index)
