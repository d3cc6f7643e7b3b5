"""Data sets made of data sets: streams of several side by side, or sequences of several one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tenure.core.errors import nearest
from tenure.training.batching.frames import Frames
from tenure.training.data.base import DataSet, Epoch, Item, Stream
from tenure.training.data.order import Indices, Order
from tenure.training.data.registry import opened
from tenure.training.errors import DataSetError
from tenure.training.literals import read_lines, read_value


def _parts(datasets: Mapping[str, Any], used: set[str]) -> dict[str, DataSet]:
    return {key: opened(options, name=key) for key, options in datasets.items() if key in used}


@dataclass
class MetaDataset(DataSet):
    """Streams of several data sets, joined by the tags of sequences.

    Args:
      datasets: options of each by a name.
      data_map: {stream: (name of a data set, stream there)}.
      seq_order_control_dataset: the data set that says which sequences there are, and in which order.
      seq_list_file: the tags of the sequences, the same for all data sets, or {name of a data set: its tags}.
      seq_lens_file: {tag: {stream: length}}, to sort and to make batches by, so that nothing is loaded for that.
      data_dims: sizes of streams; they are known from the data sets.
    """

    datasets: Mapping[str, Any] = field(default_factory=dict)
    data_map: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    seq_order_control_dataset: str | None = None
    seq_list_file: Any = None
    seq_lens_file: str | None = None
    data_dims: Any = None
    data_dtypes: Any = None
    context_window: Any = None

    def __post_init__(self) -> None:
        if "data" not in self.data_map and self.seq_order_control_dataset is None:
            raise DataSetError("MetaDataset: data_map has no stream 'data'", ways=["name a seq_order_control_dataset"])
        for key, (name, _) in self.data_map.items():
            if name not in self.datasets:
                raise DataSetError(
                    f"MetaDataset: data_map has {name!r} for '{key}', which is no data set",
                    near=nearest(name, self.datasets),
                )
        control = self.seq_order_control_dataset
        if control is not None and control not in self.datasets:
            raise DataSetError(
                f"MetaDataset: seq_order_control_dataset is {control!r}, which is no data set",
                near=nearest(control, self.datasets),
            )
        used = {name for name, _ in self.data_map.values()} | ({control} - {None})
        self.parts = _parts(self.datasets, used)  # type: ignore[arg-type]
        for name, key in self.data_map.values():
            self._stream(name, key)
        self._lens = read_value(self.seq_lens_file, "seq_lens_file") if self.seq_lens_file else None

    @property
    def control(self) -> DataSet:
        """The data set that says which sequences there are."""
        name = self.seq_order_control_dataset or self.data_map["data"][0]
        return self.parts[name]

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        return {key: self._stream(*self.data_map[key]) for key in sorted(self.data_map)}

    def _stream(self, name: str, key: str) -> Stream:
        streams = self.parts[name].streams
        if key not in streams:
            raise DataSetError(
                f"MetaDataset: data set '{name}' has no stream '{key}'", near=nearest(key, streams), ways=list(streams)
            )
        dims = self.data_dims or {}
        own = next((k for k, pair in self.data_map.items() if tuple(pair) == (name, key)), key)
        size = dims.get(own)
        return (
            streams[key]
            if size is None
            else replace(streams[key], dim=size[0] if isinstance(size, list | tuple) else size)
        )

    @cached_property
    def _tags_of(self) -> dict[str, list[str]]:
        """The tags of all sequences, in each data set."""
        listed = self.seq_list_file
        if isinstance(listed, Mapping):
            return {name: read_lines(path, "seq_list_file") for name, path in listed.items() if name in self.parts}
        if listed is not None:
            found = (
                read_lines(listed, "seq_list_file")
                if not str(listed).endswith((".pkl", ".pickle"))
                else read_value(listed, "seq_list_file")
            )
            if isinstance(found, Mapping):
                return {name: list(tags) for name, tags in found.items()}
            return {name: list(found) for name in self.parts}
        tags = list(self.control.tags)
        return dict.fromkeys(self.parts, tags)

    @cached_property
    def tags(self) -> list[str]:
        name = next(name for name, part in self.parts.items() if part is self.control)
        return self._tags_of[name]

    def tag(self, index: int) -> str:
        return self.tags[index]

    def count(self) -> int:
        return len(self.tags)

    def sort_lengths(self, epoch: int) -> np.ndarray:
        if self._lens is not None:
            key = "data" if "data" in self.streams else next(iter(self.streams))
            return np.array([length_in(self._lens[tag], key) for tag in self.tags])
        key = "data" if "data" in self.data_map else next(iter(self.data_map))
        return np.array([self.measure(index, epoch)[key] for index in range(self.count())])

    def indices(self, epoch: int) -> Indices:
        if self.seq_order_control_dataset is None:
            return super().indices(epoch)
        return [self.find(self.control.tag(int(index))) for index in self.control.indices(epoch)]

    def epoch(self, number: int, *, tags: Sequence[str] | None = None, indices: Indices | None = None) -> Epoch:
        made = super().epoch(number, tags=tags, indices=indices)
        if self.seq_order_control_dataset is None:
            return made

        def load(
            place: int,
        ) -> Item:  # the control data set says which sequences there are, so they are counted in its epoch
            return replace(made[place], index=place)

        return Epoch(load, range(len(made)), made.lengths, made.guessed)

    def _item(self, name: str, index: int, epoch: int) -> Item:
        part = self.parts[name]
        return part.load(part.find(self._tags_of[name][index]), epoch)

    @property
    def knows_lengths(self) -> bool:
        return self._lens is not None or all(part.knows_lengths for part in self.parts.values())

    @property
    def guesses_lengths(self) -> bool:
        return self._lens is not None or all(part.guesses_lengths for part in self.parts.values())

    def load(self, index: int, epoch: int) -> Item:
        items = {name: self._item(name, index, epoch) for name in {name for name, _ in self.data_map.values()}}
        return Item(
            self.tag(index), {key: items[name].data[stream] for key, (name, stream) in self.data_map.items()}, index
        )

    def measure(self, index: int, epoch: int) -> Frames:
        return self._lengths(index, lambda part, inside: part.measure(inside, epoch))

    def guess(self, index: int, epoch: int) -> Frames:
        return self._lengths(index, lambda part, inside: part.guess(inside, epoch))

    def _lengths(self, index: int, of: Callable[[DataSet, int], Frames]) -> Frames:
        if self._lens is not None and isinstance(self._lens[self.tag(index)], Mapping):
            return Frames(self._lens[self.tag(index)])
        found = {}
        for key, (name, stream) in self.data_map.items():
            part = self.parts[name]
            found[key] = of(part, part.find(self._tags_of[name][index]))[stream]
        return Frames(found)


def length_in(entry: Any, key: str) -> float:
    """The length of a stream, by an entry of `seq_lens_file`: a number for all, or one for each."""
    return entry[key] if isinstance(entry, Mapping) else entry


@dataclass
class CombinedDataset(DataSet):
    """Sequences of several data sets; streams that a data set does not have are empty.

    Args:
      datasets: options of each by a name.
      data_map: {(name of a data set, stream there): stream}.
      data_dims, data_dtypes: known from the data sets.
      sampling_sizes: so many sequences of each in every epoch: a number, or {name: number}; more than there are start anew.
    """

    datasets: Mapping[str, Any] = field(default_factory=dict)
    data_map: Mapping[tuple[str, str], str] = field(default_factory=dict)
    data_dims: Any = None
    data_dtypes: Any = None
    sampling_sizes: Any = None

    def __post_init__(self) -> None:
        self.parts = _parts(self.datasets, set(self.datasets))
        for name, key in self.data_map:
            if name not in self.parts:
                raise DataSetError(
                    f"CombinedDataset: data_map has the data set {name!r}", near=nearest(name, self.parts)
                )
            if key not in self.parts[name].streams:
                raise DataSetError(
                    f"CombinedDataset: data set '{name}' has no stream '{key}'",
                    near=nearest(key, self.parts[name].streams),
                )

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        found = {stream: self.parts[name].streams[key] for (name, key), stream in self.data_map.items()}
        return {key: found[key] for key in sorted(found)}

    def count(self) -> int:
        return sum(int(part.count()) for part in self.parts.values())

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *(int(part.count()) for part in self.parts.values())])

    def _find(self, index: int) -> tuple[str, int]:
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        return list(self.parts)[number], index - int(self._starts[number])

    def tag(self, index: int) -> str:
        name, inside = self._find(index)
        return self.parts[name].tag(inside)

    def indices(self, epoch: int) -> Indices:
        listed, chosen = self._order(epoch)
        return [listed[int(i)] for i in chosen]

    def epoch(self, number: int, *, tags: Sequence[str] | None = None, indices: Indices | None = None) -> Epoch:
        if tags is not None or indices is not None:
            return super().epoch(number, tags=tags, indices=indices)
        listed, chosen = self._order(number)

        def load(place: int) -> Item:  # sequences are counted in the order in which the data sets give them
            return replace(self.load(listed[place], number), index=place)

        return Epoch(
            *(load, chosen, lambda place: self.measure(listed[place], number)),
            lambda place: self.guess(listed[place], number),
        )

    def _order(self, epoch: int) -> tuple[list[int], Indices]:
        """The sequences that the data sets give, one data set after the other, and the order that they are taken in."""
        own = [
            [int(start) + int(i) for i in part.indices(epoch)]
            for part, start in zip(self.parts.values(), self._starts, strict=False)
        ]
        if self.sampling_sizes is not None:
            own = [self._sampled(name, list_, epoch) for name, list_ in zip(self.parts, own, strict=True)]
        listed, order = _arranged(own, self.order, epoch)
        lengths = None if order.method == "default" else lambda: self._sort_lengths(listed, epoch)
        return listed, order.indices(epoch, len(listed), lengths, lambda: [self.tag(i) for i in listed])

    def _sampled(self, name: str, own: Sequence[int], epoch: int) -> list[int]:
        sizes = self.sampling_sizes
        size = sizes.get(name) if isinstance(sizes, Mapping) else sizes
        if not size or not own:
            return list(own)
        first = (epoch - 1) * size
        return [own[(first + i) % len(own)] for i in range(size)]

    def _sort_lengths(self, listed: Sequence[int], epoch: int) -> np.ndarray:
        """The lengths of sequences as their own data sets sort them."""
        lengths = {name: part.sort_lengths(epoch) for name, part in self.parts.items()}
        return np.array([lengths[name][inside] for name, inside in map(self._find, listed)])

    @property
    def knows_lengths(self) -> bool:
        return all(part.knows_lengths for part in self.parts.values())

    @property
    def guesses_lengths(self) -> bool:
        return all(part.guesses_lengths for part in self.parts.values())

    def load(self, index: int, epoch: int) -> Item:
        name, inside = self._find(index)
        item = self.parts[name].load(inside, epoch)
        mine = {stream: item.data[key] for (part, key), stream in self.data_map.items() if part == name}
        data = {key: mine.get(key, _empty(stream)) for key, stream in self.streams.items()}
        return Item(item.tag, data, index)

    def measure(self, index: int, epoch: int) -> Frames:
        return self._lengths(index, lambda part, inside: part.measure(inside, epoch))

    def guess(self, index: int, epoch: int) -> Frames:
        return self._lengths(index, lambda part, inside: part.guess(inside, epoch))

    def _lengths(self, index: int, of: Callable[[DataSet, int], Frames]) -> Frames:
        name, inside = self._find(index)
        lengths = of(self.parts[name], inside)
        mine = {stream: lengths[key] for (part, key), stream in self.data_map.items() if part == name}
        return Frames({key: mine.get(key, 0) for key in self.streams})


def _empty(stream: Stream) -> np.ndarray:
    return np.zeros((0, *(size or 0 for size in stream.shape[1:])), stream.dtype)


def _arranged(own: Sequence[Sequence[int]], order: Order, epoch: int) -> tuple[list[int], Order]:
    """The sequences of all data sets before they are ordered, for the orders that go by data set."""
    if order.method == "interleave":
        # the data set of which the least share would have come is next
        turns = sorted(((i + 1) / len(part), number, i) for number, part in enumerate(own) for i in range(len(part)))
        return [own[number][i] for _, number, i in turns], replace(order, method="default")
    listed = [index for part in own for index in part]
    if order.method == "random_dataset":
        which = [number for number, part in enumerate(own) for _ in part]
        random.Random(order.seed(epoch)).shuffle(which)
        rest = [iter(part) for part in own]
        return [next(rest[number]) for number in which], replace(order, method="default")
    return listed, order
