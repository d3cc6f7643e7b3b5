"""Batches of a data set for a network, loaded ahead of the device."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from tenure.core.errors import nearest
from tenure.network.graph import Flags
from tenure.network.model import ROWS, Network
from tenure.training.batching.arrays import Padded, padded
from tenure.training.batching.buckets import Buckets, Shape
from tenure.training.batching.chunking import Chunking
from tenure.training.batching.context import Context
from tenure.training.batching.frames import Frames
from tenure.training.batching.plan import Batch, Batching
from tenure.training.data.base import DataSet, Epoch
from tenure.training.data.classes import dataset, in_processes
from tenure.training.data.loading import Loader, ahead
from tenure.training.data.processes import workers
from tenure.training.engine import streams
from tenure.training.engine.bucketing import buckets_of
from tenure.training.engine.one_row import in_one_row
from tenure.training.errors import BatchError, DataSetError

_LIMITS = ("packed_batch_size", "max_seq_length", "min_seq_length", "max_pad_size", "max_total_num_seqs", "seq_drop")
_OF_DEV = (
    "packed_batch_size",
    "max_seq_length",
)  # all that leave sequences out are for training; of these, one for "dev" too
_OF_OTHERS = ("packed_batch_size",)
_MIXING = ("batch_median_pooling", "triplet_loss")  # a layer and a loss in which rows of a batch meet


def limits(
    config: Mapping[str, Any], *, training: bool, keys: Iterable[str], name: str = "", apart: bool = True
) -> Batching:
    """The limits of batches of a config.

    Args:
      config: key → value.
      training: whether for training: else no sequence is left out, but in "dev" those that are longer than `max_seq_length`, as in RETURNN.
      keys: the streams that count.
      name: of the data set.
      apart: whether each sequence gets a row of its own.
    """
    size: Any = config.get("batch_size") or 10_000
    if not training:
        size = config.get("forward_batch_size") or size
    taken = _LIMITS if training else _OF_DEV if name == "dev" else _OF_OTHERS
    given = {k: config[k] for k in taken if config.get(k)}
    seqs = config.get("max_seqs")
    return Batching(batch_size=size, max_seqs=-1 if seqs is None else seqs, recurrent=apart, keys=tuple(keys), **given)


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
      alike: (stream, stream, why) of which lengths must be equal.
      sizes: of the streams' entries, behind batch and time; None where they cannot be known.
      buckets: the shapes that batches are padded to; None leaves them as they are.
      spare: whether batches get rows that only fill the shape up; "copies" if these repeat the last sequence, and are not empty.
      threads: so many sequences are loaded at the same time.
      made_for: what the buckets depend on.
    """

    data: DataSet
    limits: Batching
    keys: Mapping[str, bool]
    dtypes: Mapping[str, Any]
    chunking: Chunking | None = None
    context: Context | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    alike: tuple[tuple[str, str, str], ...] = ()
    sizes: Mapping[str, tuple[int, ...] | None] = field(default_factory=dict)
    buckets: Buckets | None = None
    spare: bool | str = True
    threads: int = 1
    made_for: Any = None

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
        before: Feed | None = None,
        name: str = "",
        apart: bool = False,
    ) -> Feed:
        """The data of a config.

        Args:
          options: of the data set.
          defaults: options that hold where it says nothing.
          config: key → value.
          network: what is fed.
          training: whether for training.
          flags: what the network is built for; what it needs then must be there.
          before: batches of the same data set, which is not opened again then.
          name: of the data set, for messages.
          apart: whether each sequence has a row of its own in any case, as something is asked of each; else the network decides.

        Raises:
          DataSetError: the data lack a stream that the network is fed.
          BatchError: options of batches that cannot be used.
        """
        processes = int(config.get("load_processes") or 0)
        if before is not None:
            data = before.data
        elif processes:
            data = in_processes(options, processes, **defaults)
        else:
            data = dataset(options, **defaults)
        if not isinstance(options, DataSet):  # one of our own
            data.name = data.name or name
        both = {**defaults, **(options if isinstance(options, Mapping) else {})}
        keys, needed = {}, network.graph(flags).nodes
        for key, template in network.templates.items():
            if key in data.streams:
                streams.check_size(key, data.streams[key], template)
                keys[key] = any(d.is_dynamic and not d.is_batch for d in template.tensor.dims)
            elif (key in needed or f"data:{key}" in needed) and (flags.eval or template.available_for_inference):
                raise DataSetError(
                    f"the network is fed {key!r}, which the data set does not have",
                    near=nearest(key, data.streams),
                    ways=[f"streams of the data: {', '.join(data.streams)}"],
                )
        mixing = any(node.class_name in _MIXING or node.get("loss") in _MIXING for node in needed.values())
        used = {key: timed for key, timed in keys.items() if f"data:{key}" in needed}
        apart = apart or not in_one_row(config, network, flags, used)
        if not apart:
            keys = used
        feed = cls(
            data,
            limits(config, training=training, keys=keys, name=name, apart=apart),
            keys,
            {key: network.templates[key].dtype for key in keys},
            Chunking.parse(both.get("chunking"), both.get("min_chunk_size", 0), both.get("chunking_variance", 0)),
            Context.parse(both.get("context_window")),
            {key: size for key in keys if (size := streams.labels(network.templates[key])) is not None},
            streams.alike(network, keys),
            {key: streams.sizes(network.templates[key]) for key in keys},
            spare=not mixing and ("copies" if flags.search else True),
            threads=max(int(config.get("load_threads") or 1), workers(data)),
        )
        made_for = (feed.limits, feed.chunking, feed.context, feed.timed, config.get("buckets"))
        if before is not None and before.made_for == made_for:
            return replace(feed, buckets=before.buckets, made_for=made_for)
        return replace(feed, buckets=buckets_of(feed, config, training=training), made_for=made_for)

    @property
    def timed(self) -> list[str]:
        """The streams that have lengths."""
        return [key for key, with_lengths in self.keys.items() if with_lengths]

    def plan(self, epoch: int, order: Epoch | None = None, *, guess: bool = False) -> Iterator[Batch]:
        """The batches of an epoch, by lengths alone.

        Args:
          epoch: counted from 1.
          order: its sequences, if they are other ones.
          guess: whether lengths are guessed, where they are not known without loading sequences.
        """
        sequences = order if order is not None else self.data.epoch(epoch)
        if guess and not self.data.knows_lengths:
            return self._plan(epoch, map(sequences.guessed, range(len(sequences))))
        return self._plan(epoch, Loader(sequences, known=self.data.knows_lengths).lengths())

    def _plan(self, epoch: int, lengths: Iterable[Frames]) -> Iterator[Batch]:
        if not self.limits.recurrent:  # a row has the frames of what it is fed, and no gaps for other streams
            lengths = (each.only(self.keys) for each in lengths)
        return self.limits.batches(lengths, self.chunking, self.context, self.data.order.seed(epoch))

    def batches(self, epoch: int, skip: int = 0, order: Epoch | None = None) -> Iterator[Padded]:
        """The batches of an epoch.

        Args:
          epoch: counted from 1.
          skip: how many are left out at the start; their sequences are not loaded where their lengths are known.
          order: its sequences, if they are other ones.

        Raises:
          BatchError: a batch fits in none of the declared buckets.
        """
        sequences = order if order is not None else self.data.epoch(epoch)
        loader = Loader(sequences, known=self.data.knows_lengths, threads=self.threads)

        def filled(batch: Batch) -> Padded:
            shape = self.shape(batch, sequences)
            loader.prepare(piece.index for piece in batch.pieces)
            least = {} if shape is None else shape.frames
            rows = None if shape is None or not self.spare else shape.rows
            return padded(batch, loader.load, self.keys, at_least=least, rows=rows, copies=self.spare == "copies")

        with contextlib.closing(loader):
            yield from ahead(itertools.islice(self._plan(epoch, loader.lengths()), skip, None), filled)

    def abstract(self) -> list[dict[str, Any]]:
        """Batches without values, of all shapes that are known before there is a batch: the largest first."""
        if self.buckets is None or not self.spare or None in self.sizes.values():
            return []
        sized = [self.buckets.sized(shape) for shape in self.buckets.shapes]
        return [self._abstract(shape) for shape in sorted(sized, key=lambda shape: -shape.cells)]

    def _abstract(self, shape: Shape) -> dict[str, Any]:
        found: dict[str, Any] = {ROWS: jax.ShapeDtypeStruct((), np.int32)}
        for key, size in self.sizes.items():
            time = (shape.frames[key],) if self.keys[key] else ()
            array = jax.ShapeDtypeStruct((shape.rows, *time, *(size or ())), self.dtypes[key])
            found[key] = (array, jax.ShapeDtypeStruct((shape.rows,), np.int32)) if self.keys[key] else array
        return found

    def shape(self, batch: Batch, sequences: Epoch) -> Shape | None:
        """The shape that a batch is padded to; None if to none.

        Raises:
          BatchError: it fits in none of the declared buckets.
        """
        if self.buckets is None:
            return None
        own = Shape.of(batch, self.timed)
        found = self.buckets.of(own)
        if found is None:
            tags = [sequences[index].tag for index in dict.fromkeys(piece.index for piece in batch.pieces)]
            raise BatchError(
                f"a batch of {own} fits in none of the {len(self.buckets.shapes)} declared buckets",
                ways=[
                    f"its sequences: {', '.join(map(repr, tags))}",
                    f"the largest bucket is {self.buckets.sized(self.buckets.shapes[-1])}",
                    "max_seq_length leaves long sequences out",
                    "without 'buckets', shapes are made from the lengths of the data",
                ],
            )
        return found

    def fed(self, batch: Padded) -> dict[str, Any]:
        """What the network takes of a batch.

        Raises:
          DataSetError: a label is none of those that the network has, or lengths differ that must be equal.
        """
        for key, size in self.labels.items():
            streams.check_labels(key, batch, size)
        for one, other, why in self.alike:
            streams.check_lengths(one, other, why, batch)
        found: dict[str, Any] = {}
        for key, with_lengths in self.keys.items():
            streams.check_numbers(key, batch)
            array = batch.arrays[key].astype(self.dtypes[key], copy=False)
            found[key] = (array, batch.lengths[key]) if with_lengths else array
        if self.buckets is not None and self.spare:
            found[ROWS] = np.int32(len(batch.tags))
        return found


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
