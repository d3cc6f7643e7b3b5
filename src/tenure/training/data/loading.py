"""Loading ahead of the device: batches in a thread of their own, sequences in a few more, and never more than a bounded number of either."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from tenure.training.batching.frames import Frames
from tenure.training.data.base import Epoch, Item

A = TypeVar("A")
B = TypeVar("B")
AHEAD = 4  # batches that are loaded before they are needed
KEPT = 1000  # sequences that are kept from when they were measured until their batch is made
_WINDOW = 4  # sequences that each thread loads before they are needed


class Loader:
    """The sequences of an epoch, each loaded once where its length is only known from its data.

    Args:
      sequences: of the epoch.
      known: whether lengths are known without loading.
      threads: so many sequences are loaded at the same time; 1 for one after the other, in the thread that asks.
    """

    def __init__(self, sequences: Epoch, *, known: bool, threads: int = 1):
        self._sequences, self._known = sequences, known
        self._items: OrderedDict[int, Item | Future[Item]] = OrderedDict()
        self._pool = ThreadPoolExecutor(threads, "sequences") if threads > 1 else None
        self._window = _WINDOW * threads

    def lengths(self) -> Iterator[Frames]:
        """The lengths of all sequences, in order."""
        for index in range(len(self._sequences)):
            if self._known:
                yield self._sequences.lengths(index)
                continue
            self._start(range(index, min(index + self._window, len(self._sequences))))
            yield self._item(index).lengths()
            while len(self._items) > KEPT:
                self._items.popitem(last=False)

    def load(self, index: int) -> tuple[str, Mapping[str, np.ndarray]]:
        """Tag and arrays of a sequence by its place in the epoch."""
        item = self._item(index)
        return item.tag, item.data

    def prepare(self, indices: Iterable[int]) -> None:
        """Starts to load what is needed next, and forgets what comes before."""
        wanted = sorted(set(indices))
        for index in [i for i in self._items if i < wanted[0]]:
            del self._items[index]
        self._start(wanted)

    def close(self) -> None:
        """Ends the threads."""
        self._items.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self, indices: Iterable[int]) -> None:
        for index in indices if self._pool is not None else ():
            if index not in self._items:
                assert self._pool is not None
                self._items[index] = self._pool.submit(self._sequences.__getitem__, index)

    def _item(self, index: int) -> Item:
        found = self._items.get(index)
        if found is None:
            found = self._sequences[index]
        elif isinstance(found, Future):
            found = found.result()
        self._items[index] = found
        return found


def ahead(items: Iterable[A], make: Callable[[A], B], count: int = AHEAD) -> Generator[B]:
    """What `make` gives for the items, in their order, computed in a thread at most `count` items ahead.

    >>> list(ahead(range(3), lambda n: n * n))
    [0, 1, 4]
    """
    done: queue.Queue[tuple[bool, Any]] = queue.Queue(max(count - 1, 1))  # one more is in the thread's hands
    stop = threading.Event()

    def put(entry: tuple[bool, Any]) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                return done.put(entry, timeout=0.1)
        return None

    def work() -> None:
        try:
            for item in items:
                if stop.is_set():
                    return
                put((True, make(item)))
            put((False, None))
        except BaseException as error:  # it is raised where the batch is wanted
            put((False, error))

    thread = threading.Thread(target=work, name="batches", daemon=True)
    thread.start()
    try:
        while True:
            good, value = done.get()
            if not good:
                if value is not None:
                    raise value
                return
            yield value
    finally:
        stop.set()
        thread.join()
