"""Anything that has `len(…)` and `[i]` and gives dictionaries: a list, a Hugging Face dataset, a grain source or map dataset."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.audio.features import Features
from tenure.training.data.base import DataSet, Item, Stream, seed_of
from tenure.training.errors import DataSetError
from tenure.training.vocab import Vocabulary, vocabulary


def is_source(value: Any) -> bool:
    """Whether a value can be the source of a data set.

    >>> is_source([{"data": [1, 2]}]), is_source("text"), is_source({"class": "HDFDataset"})
    (True, False, False)
    """
    if isinstance(value, str | bytes | Mapping | type):
        return False
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")


@dataclass
class SourceDataset(DataSet):
    """The entries of a source as sequences. The package that the source is of is not needed.

    Args:
      source: an object with `len(source)`, and `source[i]` for a dictionary; or a function that gives one.
      columns: {stream: column}; else every column that holds numbers is a stream of its own name.
      vocabs: {stream: options of a vocabulary}, for columns of text.
      audio: {stream: options of features}, for columns of samples, or of {"array": samples, "sampling_rate": rate}.
      dims: {stream: how many labels there are, or the size of a frame}, where the first entry does not say it.
      tag_column: the column with the names of sequences; else they are "seq-0", "seq-1", …

    >>> data = SourceDataset([{"x": [[1.0], [2.0]], "y": [1, 0]}], columns={"data": "x", "classes": "y"}, dims={"classes": 2})
    >>> item = data.epoch(1)[0]
    >>> item.tag, item.data["data"].shape, item.data["classes"].tolist()
    ('seq-0', (2, 1), [1, 0])
    """

    source: Any = None
    columns: Mapping[str, str] | None = None
    vocabs: Mapping[str, Any] = field(default_factory=dict)
    audio: Mapping[str, Any] = field(default_factory=dict)
    dims: Mapping[str, Any] = field(default_factory=dict)
    tag_column: str | None = None

    def __post_init__(self) -> None:
        source = self.source() if callable(self.source) and not is_source(self.source) else self.source
        if not is_source(source):
            raise DataSetError(
                f"a source has len(…) and [i], and {brief(source)} has not",
                ways=["a list of dictionaries", "a Hugging Face dataset that is not streamed", "a grain MapDataset"],
            )
        self._source, self._lock = source, threading.Lock()
        if not len(source):
            raise DataSetError("the source has no entries")
        self._vocabs: dict[str, Vocabulary] = {key: vocabulary(of) for key, of in self.vocabs.items()}
        self._features = {key: Features.from_options(of) for key, of in self.audio.items()}
        self._columns = self._chosen()
        for name, options in (("vocabs", self.vocabs), ("audio", self.audio), ("dims", self.dims)):
            for key in options:
                if key not in self._columns:
                    raise DataSetError(
                        f"{name} has the stream {key!r}, which the source does not have",
                        near=nearest(key, self._columns),
                    )

    def _entry(self, index: int) -> Mapping[str, Any]:
        with self._lock:  # sources of other packages need not be safe with threads
            entry = self._source[index]
        if not isinstance(entry, Mapping):
            raise DataSetError(f"entry {index} of the source is {brief(entry)}, and no dictionary")
        return entry

    def _chosen(self) -> dict[str, str]:
        entry = self._entry(0)
        if self.columns is None:
            found = {
                key: key for key, value in entry.items() if key in self.vocabs or key in self.audio or _numbers(value)
            }
            found.pop(self.tag_column or "", None)
        else:
            found = dict(self.columns)
        for column in (*found.values(), *([self.tag_column] if self.tag_column else ())):
            if column not in entry:
                raise DataSetError(
                    f"the source has no column {column!r}",
                    near=nearest(column, entry),
                    ways=[", ".join(map(str, entry))],
                )
        if not found:
            raise DataSetError("no column of the source holds numbers", ways=["vocabs = {'text': {'class': …}}"])
        return dict(sorted(found.items(), key=lambda pair: (pair[0] != "data", pair[0])))

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        first = self.load(0, 1).data
        return {key: self._stream(key, first[key]) for key in self._columns}

    def _stream(self, key: str, array: np.ndarray) -> Stream:
        vocab = self._vocabs.get(key)
        if vocab is not None:
            return Stream(vocab.num_labels, True, "int32", (None,), vocab.labels)
        size = self.dims.get(key)
        return Stream.like(array, size if size is not None else (None if array.ndim > 1 else 0))

    def count(self) -> int:
        return len(self._source)

    @property
    def knows_tags(self) -> bool:
        return self.tag_column is None

    def tag(self, index: int) -> str:
        return f"seq-{index}" if self.tag_column is None else str(self._entry(index)[self.tag_column])

    def load(self, index: int, epoch: int) -> Item:
        entry = self._entry(index)
        tag = f"seq-{index}" if self.tag_column is None else str(entry[self.tag_column])
        missing = [column for column in self._columns.values() if column not in entry]
        if missing:
            raise DataSetError(f"entry {index} of the source has no {missing[0]!r}", near=nearest(missing[0], entry))
        data = {
            key: self._array(key, entry[column], tag, seed_of(epoch, index)) for key, column in self._columns.items()
        }
        return Item(tag, data, index)

    def _array(self, key: str, value: Any, tag: str, seed: int) -> np.ndarray:
        if key in self._vocabs:
            return np.array(self._vocabs[key].get_seq(str(value), seed), "int32")
        rate = None
        if isinstance(value, Mapping) and "array" in value:
            value, rate = value["array"], value.get("sampling_rate")
        try:
            array = np.asarray(value)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind not in "iufb":
            raise DataSetError(
                f"the stream {key!r} of the sequence {tag!r} holds {brief(value)}, and no numbers",
                ways=[f"vocabs = {{{key!r}: {{'class': 'Utf8ByteTargets'}}}} for text"],
            )
        if key in self._features:
            features = self._features[key]
            return features.make(array.astype(np.float64), int(rate or features.sample_rate or 16000), seed=seed)
        return _plain(array) if rate is None else array.astype("float32")[:, None]


def _plain(array: np.ndarray) -> np.ndarray:
    """Numbers in the types that networks are fed."""
    if array.dtype.kind == "f":
        return array.astype("float32")
    return array.astype("int32") if array.dtype.itemsize > 4 or array.dtype.kind == "b" else array


def _numbers(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "array" in value
    if isinstance(value, str | bytes) or value is None:
        return False
    try:
        return bool(np.asarray(value).dtype.kind in "iufb")
    except ValueError:
        return False


__all__: Sequence[str] = ["SourceDataset", "is_source"]
