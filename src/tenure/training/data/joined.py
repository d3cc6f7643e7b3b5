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
from tenure.training.data.registry import dataset
from tenure.training.errors import DataSetError
from tenure.training.literals import read_lines, read_value


def _parts(datasets: Mapping[str, Any], used: set[str]) -> dict[str, DataSet]:
    return {key: dataset(options, name=key) for key, options in datasets.items() if key in used}


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
        used = {name for name, _ in self.data_map.values()} | ({self.seq_order_control_dataset} - {None})
        self.parts = _parts(self.datasets, used)  # type: ignore[arg-type]
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
            return np.array([_length(self._lens[tag], key) for tag in self.tags])
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

        return Epoch(load, range(len(made)), made.lengths)

    def _item(self, name: str, index: int, epoch: int) -> Item:
        part = self.parts[name]
        return part.load(part.find(self._tags_of[name][index]), epoch)

    @property
    def knows_lengths(self) -> bool:
        return self._lens is not None or all(part.knows_lengths for part in self.parts.values())

    def load(self, index: int, epoch: int) -> Item:
        items = {name: self._item(name, index, epoch) for name in {name for name, _ in self.data_map.values()}}
        return Item(
            self.tag(index), {key: items[name].data[stream] for key, (name, stream) in self.data_map.items()}, index
        )

    def measure(self, index: int, epoch: int) -> Frames:
        if self._lens is not None and isinstance(self._lens[self.tag(index)], Mapping):
            return Frames(self._lens[self.tag(index)])
        found = {}
        for key, (name, stream) in self.data_map.items():
            part = self.parts[name]
            found[key] = part.measure(part.find(self._tags_of[name][index]), epoch)[stream]
        return Frames(found)


def _length(entry: Any, key: str) -> float:
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

        return Epoch(load, chosen, lambda place: self.measure(listed[place], number))

    def _order(self, epoch: int) -> tuple[list[int], Indices]:
        """The sequences that the data sets give, one data set after the other, and the order that they are taken in."""
        own = [
            [int(start) + int(i) for i in part.indices(epoch)]
            for part, start in zip(self.parts.values(), self._starts, strict=False)
        ]
        if self.sampling_sizes is not None:
            own = [self._sampled(name, list_, epoch) for name, list_ in zip(self.parts, own, strict=True)]
        listed, order = _arranged(own, self.order, epoch)
        lengths = None if order.method == "default" else lambda: np.array([self._sort_length(i, epoch) for i in listed])
        return listed, order.indices(epoch, len(listed), lengths, lambda: [self.tag(i) for i in listed])

    def _sampled(self, name: str, own: Sequence[int], epoch: int) -> list[int]:
        sizes = self.sampling_sizes
        size = sizes.get(name) if isinstance(sizes, Mapping) else sizes
        if not size or not own:
            return list(own)
        first = (epoch - 1) * size
        return [own[(first + i) % len(own)] for i in range(size)]

    def _sort_length(self, index: int, epoch: int) -> float:
        return self.measure(index, epoch)[next(iter(self.streams))]

    @property
    def knows_lengths(self) -> bool:
        return all(part.knows_lengths for part in self.parts.values())

    def load(self, index: int, epoch: int) -> Item:
        name, inside = self._find(index)
        item = self.parts[name].load(inside, epoch)
        mine = {stream: item.data[key] for (part, key), stream in self.data_map.items() if part == name}
        data = {key: mine.get(key, _empty(stream)) for key, stream in self.streams.items()}
        return Item(item.tag, data, index)

    def measure(self, index: int, epoch: int) -> Frames:
        name, inside = self._find(index)
        lengths = self.parts[name].measure(inside, epoch)
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
        self.part = dataset(self.dataset)
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
            [sum(_length(self._lens[t], "data") for t in line.split(self.seq_tag_delim)) for line in self.lists]
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
        self.parts = [dataset(options) for options in self.datasets]
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

    def measure(self, index: int, epoch: int) -> Frames:
        part, inside = self._find(index)
        return part.measure(inside, epoch)

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
        self.part = dataset(self.dataset)

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

    def load(self, index: int, epoch: int) -> Item:
        return self.part.load(index, epoch)

    def epoch(self, number: int, *, tags: Sequence[str] | None = None, indices: Indices | None = None) -> Epoch:
        inner = [self.part.epoch((number - 1) * self.multi_epoch + i + 1) for i in range(self.multi_epoch)]
        places = [(epoch, place) for epoch in inner for place in range(len(epoch))]

        def load(place: int) -> Item:
            epoch, inside = places[place]
            return replace(epoch[inside], index=place)

        return Epoch(load, range(len(places)), lambda place: places[place][0].lengths(places[place][1]))


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
            self._made = {epoch: dataset(self.get_dataset(epoch=epoch))}
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
