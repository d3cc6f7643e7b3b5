"""Sequences loaded in processes of their own, for data whose loading computes: audio, features, BPE.

The processes are new ones (nothing of this process is copied into them), open the data set by its options, and end with this
process, however that ends. Which sequences an epoch has, and in which order, is still decided here.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import numpy as np

from tenure.core.errors import brief
from tenure.training.batching.frames import Frames
from tenure.training.data.base import DataSet, Epoch, Item, Stream
from tenure.training.data.order import Indices
from tenure.training.errors import DataSetError


@dataclass
class InProcesses(DataSet):
    """A data set whose sequences are loaded in processes.

    Args:
      inner: the data set.
      source: (function, options, defaults): what each process calls to open it.
      num_workers: how many processes.

    Raises:
      DataSetError: the options hold what cannot be sent to a process, or no number of processes is given.
    """

    inner: DataSet
    source: tuple[Callable[..., DataSet], Any, Mapping[str, Any]]
    num_workers: int

    def __post_init__(self) -> None:
        if not isinstance(self.num_workers, int) or self.num_workers < 1:
            raise DataSetError(f"num_workers is {brief(self.num_workers)}", ways=["num_workers = 4"])
        self.order = self.inner.order
        try:
            self._content = pickle.dumps(self.source)
        except Exception as error:
            raise DataSetError(
                f"the options of {type(self.inner).__name__} cannot be sent to a process: {error}",
                ways=["plain values in the place of functions", "load_threads = 4 loads in threads"],
            ) from None

    @cached_property
    def pool(self) -> ProcessPoolExecutor:
        """The processes, started when the first sequence is loaded."""
        context = multiprocessing.get_context("spawn")
        made = ProcessPoolExecutor(self.num_workers, context, _open, (self._content,))
        weakref.finalize(self, made.shutdown, wait=False, cancel_futures=True)
        return made

    @property
    def streams(self) -> Mapping[str, Stream]:
        return self.inner.streams

    @property
    def target_streams(self) -> list[str]:
        return self.inner.target_streams

    def count(self) -> int | float:
        return self.inner.count()

    @property
    def knows_lengths(self) -> bool:
        return self.inner.knows_lengths

    @property
    def guesses_lengths(self) -> bool:
        return self.inner.guesses_lengths

    def load(self, index: int, epoch: int) -> Item:
        return self.inner.load(index, epoch)

    def measure(self, index: int, epoch: int) -> Frames:
        return self.inner.measure(index, epoch)

    def guess(self, index: int, epoch: int) -> Frames:
        return self.inner.guess(index, epoch)

    def sort_lengths(self, epoch: int) -> np.ndarray:
        return self.inner.sort_lengths(epoch)

    def tag(self, index: int) -> str:
        return self.inner.tag(index)

    @cached_property
    def tags(self) -> list[str]:
        return self.inner.tags

    def indices(self, epoch: int) -> Indices:
        return self.inner.indices(epoch)

    def epoch(self, number: int, *, tags: Sequence[str] | None = None, indices: Indices | None = None) -> Epoch:
        found = self.inner.epoch(number, tags=tags, indices=indices)
        if tags is not None or indices is not None:
            return found
        return _EpochInProcesses(found.load, found.indices, found.measure, found.guess, data=self, number=number)

    def loaded(self, number: int, position: int) -> Item:
        """A sequence by its place in an epoch, from one of the processes.

        Raises:
          DataSetError: it cannot be loaded, or the process has died.
        """
        try:
            return self.pool.submit(_load, number, position).result()
        except BrokenProcessPool:
            raise DataSetError(
                f"a process that loads sequences of {type(self.inner).__name__} has died: there may be too little memory",
                ways=["a smaller num_workers", "load_threads = 4 loads in threads"],
            ) from None


@dataclass(frozen=True)
class _EpochInProcesses(Epoch):
    """An epoch whose sequences come from processes."""

    data: InProcesses = field(kw_only=True)
    number: int = field(kw_only=True)

    def __getitem__(self, position: Any) -> Any:
        return self.data.loaded(self.number, int(position))

    def lengths(self, position: int) -> Frames:
        return super().lengths(position) if self.data.knows_lengths else self[position].lengths()


def workers(data: DataSet) -> int:
    """How many sequences of a data set are worth being loaded at the same time."""
    return data.num_workers if isinstance(data, InProcesses) else 1


def _open(content: bytes) -> None:
    """What a process does first. Ctrl-C is for the process that trains; when that is gone, so is this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jax.config.update("jax_platforms", "cpu")  # the accelerators are for the process that trains
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_it() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True).start()
    _content.append(content)


_content: list[bytes] = []  # in a process that loads: the options of its data set
_opened: list[DataSet] = []  # that data set
_epochs: dict[int, Epoch] = {}  # its current epoch by number


def _load(number: int, position: int) -> Item:
    if not _opened:
        function, options, defaults = pickle.loads(_content[0])
        _opened.append(function(options, **defaults))
    if number not in _epochs:
        _epochs.clear()
        _epochs[number] = _opened[0].epoch(number)
    return _epochs[number][position]
