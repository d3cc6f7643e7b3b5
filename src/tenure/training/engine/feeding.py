"""Batches of a data set for a network, loaded ahead of the device."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from tenure.core.errors import nearest
from tenure.network.extern import Template
from tenure.network.graph import Flags
from tenure.network.model import Network
from tenure.training.batching.arrays import Padded, padded
from tenure.training.batching.chunking import Chunking
from tenure.training.batching.context import Context
from tenure.training.batching.plan import Batch, Batching
from tenure.training.data.base import DataSet, Epoch
from tenure.training.data.classes import dataset
from tenure.training.errors import BatchError, DataSetError

_LIMITS = ("packed_batch_size", "max_seq_length", "min_seq_length", "max_pad_size", "max_total_num_seqs", "seq_drop")
_GROWTH = 1.125  # of the lengths in the grid of padded shapes
_LEAST = 8
A = TypeVar("A")
B = TypeVar("B")
AHEAD = 4  # batches that are loaded before they are needed


def limits(config: Mapping[str, Any], *, training: bool, keys: Iterable[str]) -> Batching:
    """The limits of batches of a config.

    Args:
      config: key → value.
      training: whether for training, where a random share of sequences may be left out.
      keys: the streams that count.
    """
    size: Any = config.get("batch_size") or 10_000
    if not training:
        size = config.get("forward_batch_size") or size
    taken = _LIMITS if training else [k for k in _LIMITS if k not in ("max_total_num_seqs", "seq_drop")]
    given = {k: config[k] for k in taken if config.get(k)}
    seqs, recurrent = config.get("max_seqs"), bool(config.get("recurrent_net", True))
    return Batching(
        batch_size=size, max_seqs=-1 if seqs is None else seqs, recurrent=recurrent, keys=tuple(keys), **given
    )


@dataclass(frozen=True)
class Feed:
    """A data set, cut into batches.

    Attributes:
      data: the data set.
      limits: of batches.
      keys: the streams that are fed, with whether they have lengths.
      dtypes: of their arrays.
      chunking, context: how sequences are cut.
      labels: how many labels the network has for a stream, for those that are sparse.
      exact: whether arrays are as long as the longest sequence; else as the next length of a grid, so that few shapes are compiled.
    """

    data: DataSet
    limits: Batching
    keys: Mapping[str, bool]
    dtypes: Mapping[str, Any]
    chunking: Chunking | None = None
    context: Context | None = None
    exact: bool = False
    labels: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        options: Any,
        defaults: Mapping[str, Any],
        config: Mapping[str, Any],
        network: Network,
        *,
        training: bool,
        flags: Flags = Flags(),
    ) -> Feed:
        """The data of a config.

        Args:
          options: of the data set.
          defaults: options that hold where it says nothing.
          config: key → value.
          network: what is fed.
          training: whether for training.
          flags: what the network is built for; what it needs then must be there.

        Raises:
          DataSetError: the data lack a stream that the network is fed.
        """
        data = dataset(options, **defaults)
        both = {**defaults, **(options if isinstance(options, Mapping) else {})}
        keys, needed = {}, network.graph(flags).nodes
        for key, template in network.templates.items():
            if key in data.streams:
                keys[key] = any(d.is_dynamic and not d.is_batch for d in template.tensor.dims)
            elif (key in needed or f"data:{key}" in needed) and (flags.eval or template.available_for_inference):
                raise DataSetError(
                    f"the network is fed {key!r}, which the data set does not have",
                    near=nearest(key, data.streams),
                    ways=[f"streams of the data: {', '.join(data.streams)}"],
                )
        return cls(
            data,
            limits(config, training=training, keys=keys),
            keys,
            {key: network.templates[key].dtype for key in keys},
            Chunking.parse(both.get("chunking"), both.get("min_chunk_size", 0), both.get("chunking_variance", 0)),
            Context.parse(both.get("context_window")),
            bool(config.get("padding_legacy")),
            {key: size for key in keys if (size := _labels(network.templates[key])) is not None},
        )

    def plan(self, epoch: int, order: Epoch | None = None) -> Iterator[Batch]:
        """The batches of an epoch, by lengths alone."""
        sequences = order if order is not None else self.data.epoch(epoch)
        lengths = (sequences.lengths(i) for i in range(len(sequences)))
        return self.limits.batches(lengths, self.chunking, self.context, self.data.order.seed(epoch))

    def batches(self, epoch: int, skip: int = 0, order: Epoch | None = None) -> Iterator[Padded]:
        """The batches of an epoch.

        Args:
          epoch: counted from 1.
          skip: how many are left out at the start; their sequences are not loaded.
          order: its sequences, if they are other ones.
        """
        sequences = order if order is not None else self.data.epoch(epoch)

        def load(index: int) -> tuple[str, Mapping[str, np.ndarray]]:
            item = sequences[index]
            return item.tag, item.data

        def filled(batch: Batch) -> Padded:
            least = {} if self.exact else {k: grid(int(batch.frames[k])) for k in self.keys}
            return padded(batch, load, self.keys, at_least=least)

        return ahead(itertools.islice(self.plan(epoch, sequences), skip, None), filled)

    def fed(self, batch: Padded) -> dict[str, Any]:
        """What the network takes of a batch.

        Raises:
          DataSetError: a label is none of those that the network has.
        """
        for key, size in self.labels.items():
            check_labels(key, batch, size)
        found = {}
        for key, with_lengths in self.keys.items():
            array = batch.arrays[key].astype(self.dtypes[key], copy=False)
            found[key] = (array, batch.lengths[key]) if with_lengths else array
        return found


def _labels(template: Template) -> int | None:
    """How many labels an input has; None if it is not sparse, or nobody knows."""
    dim = template.tensor.sparse_dim
    return None if dim is None else dim.size


def check_labels(key: str, batch: Padded, size: int) -> None:
    """Refuses labels that a network does not have.

    Args:
      key: of the stream.
      batch: with its arrays.
      size: how many labels there are.

    Raises:
      DataSetError: there are others; the message names the sequence.
    """
    array = batch.arrays[key]
    if not array.size or (array.min() >= 0 and array.max() < size):
        return
    wrong = ((array < 0) | (array >= size)).reshape(len(array), -1)
    row = int(wrong.any(axis=1).argmax())
    raise DataSetError(
        f"the sequence {batch.tags[row]!r} has the label {array[row].flat[int(wrong[row].argmax())]} in the stream {key!r}, "
        f"and the network has {size} labels there, from 0",
        ways=[f"the size of {key!r} in extern_data or num_outputs", "the vocabulary of the data set"],
    )


def grid(length: int) -> int:
    """The next length of a geometric grid.

    >>> [grid(n) for n in (3, 9, 100)]
    [8, 16, 104]
    """
    size = _LEAST
    while size < length:
        size = max(size + _LEAST, int(size * _GROWTH) // _LEAST * _LEAST)
    return size


def ahead(items: Iterable[A], make: Callable[[A], B], count: int = AHEAD) -> Iterator[B]:
    """What `make` gives for the items, in their order, computed in a thread some items ahead.

    >>> list(ahead(range(3), lambda n: n * n))
    [0, 1, 4]
    """
    done: queue.Queue[tuple[bool, Any]] = queue.Queue(count)
    stop = threading.Event()

    def put(entry: tuple[bool, Any]) -> None:
        while not stop.is_set():
            try:
                return done.put(entry, timeout=0.1)
            except queue.Full:
                continue
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


def check_not_empty(count: int, name: str) -> None:
    """Refuses an epoch without batches.

    Raises:
      BatchError: there were none.
    """
    if not count:
        raise BatchError(
            f"{name} has no batch in this epoch",
            ways=["max_seq_length and filters may leave out every sequence", "partition_epoch may be too large"],
        )
