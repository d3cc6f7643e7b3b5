"""Sequences that are given as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tenure.core.errors import nearest
from tenure.training.batching.frames import Frames
from tenure.training.data.base import DataSet, Item, Stream
from tenure.training.errors import DataSetError


@dataclass
class StaticDataset(DataSet):
    """Sequences in memory.

    Args:
      data: a dictionary of arrays for each sequence, time first.
      input_dim: the size of the stream "data", to check it.
      target_list: the streams that are targets; else all but "data".
      output_dim: (size, number of axes) by stream; else it is taken from the arrays, and the size of sparse streams is 0: not known.

    >>> data = StaticDataset([{"data": np.zeros((3, 2), "float32"), "classes": np.array([1, 0, 1])}])
    >>> data.epoch(1)[0].tag, data.epoch(1).lengths(0).of
    ('seq-0', {'data': 3, 'classes': 3})
    """

    data: Sequence[Mapping[str, np.ndarray]]
    output_dim: Mapping[str, Any] | None = None
    input_dim: int | None = None
    target_list: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if not len(self.data):
            raise DataSetError("StaticDataset: no sequences are given")
        keys = set(self.data[0])
        for index, item in enumerate(self.data):
            if set(item) != keys:
                raise DataSetError(
                    f"StaticDataset: sequence {index} has the streams {sorted(item)}, the first one {sorted(keys)}"
                )

        for key in self.target_list or ():
            if key not in keys:
                raise DataSetError(f"StaticDataset: target_list has '{key}'", near=nearest(key, keys))
        if self.input_dim is not None and self.input_dim != self.streams["data"].dim:
            raise DataSetError(
                f"StaticDataset: input_dim is {self.input_dim}, and 'data' has {self.streams['data'].dim}"
            )
        if self.output_dim is not None and not keys <= set(self.output_dim):
            missing = sorted(keys - set(self.output_dim))
            raise DataSetError(f"StaticDataset: output_dim says nothing of {missing}", ways=["leave output_dim out"])

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        keys = sorted(self.data[0], key=lambda key: (key != "data", key != "classes", key))
        return {key: self._stream(key) for key in keys}

    def _stream(self, key: str) -> Stream:
        array = np.asarray(self.data[0][key])
        if self.output_dim and key in self.output_dim:
            dim, ndim = _dims(self.output_dim[key])
            return Stream.like(array, dim, dims=ndim)
        if array.ndim > 1:
            return Stream.like(array)
        return Stream.like(array, 0)

    @property
    def target_streams(self) -> list[str]:
        return super().target_streams if self.target_list is None else list(self.target_list)

    def count(self) -> int:
        return len(self.data)

    @property
    def knows_lengths(self) -> bool:
        return True

    def load(self, index: int, epoch: int) -> Item:
        return Item(self.tag(index), {key: np.asarray(self.data[index][key]) for key in self.streams}, index)

    def measure(self, index: int, epoch: int) -> Frames:
        return self.load(index, epoch).lengths()


def _dims(value: Any) -> tuple[int, int]:
    return (value, 1) if isinstance(value, int) else (value[0], value[1])
