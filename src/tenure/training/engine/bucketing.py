"""The buckets of a config: declared, or made from the lengths of its data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from tenure.training.batching.buckets import MOST, Buckets, Shape, declared, from_batches
from tenure.training.batching.chunking import Chunking
from tenure.training.batching.context import Context
from tenure.training.batching.plan import Batch, Batching
from tenure.training.data.base import DataSet
from tenure.training.engine.mesh import mesh_of

EXACT = "exact"  # the value of `buckets` with which no batch is longer than its longest sequence
_WORTH = 8  # batches that are worth a shape of their own, and its compilation
_SEQUENCES = 200_000  # of which batches are planned at most


class Planned(Protocol):
    """What buckets are made for."""

    @property
    def data(self) -> DataSet:
        """The data set."""

    @property
    def limits(self) -> Batching:
        """The limits of batches."""

    @property
    def chunking(self) -> Chunking | None:
        """How sequences are cut."""

    @property
    def context(self) -> Context | None:
        """Frames around every piece."""

    @property
    def timed(self) -> list[str]:
        """The streams that have lengths."""

    def plan(self, epoch: int, *, guess: bool = False) -> Iterator[Batch]:
        """The batches of an epoch, or about these."""


def buckets_of(feed: Planned, config: Mapping[str, Any], *, training: bool) -> Buckets | None:
    """The shapes that a data set's batches are padded to; None if to none.

    They depend on the config and the data only, and not on where a training is, so that one that goes on has the same shapes.

    Args:
      feed: the data set, with its limits.
      config: key → value.
      training: whether its order changes from epoch to epoch.

    Raises:
      BatchError: the key `buckets` cannot be read.
    """
    option = config.get("buckets")
    if option == EXACT or (option is None and config.get("padding_legacy")):
        return None
    devices = mesh_of(config).shape["data"]
    limits = {"batch_size": feed.limits.batch_size, "max_seqs": feed.limits.max_seqs, "multiple": devices}
    if option is not None and (isinstance(option, bool) or not isinstance(option, int)):
        shapes = declared(option, feed.timed)
        return Buckets(shapes, declared=True, **limits)
    known = feed.data.knows_lengths
    if known or (feed.data.guesses_lengths and feed.chunking is None):
        planned = [Shape.of(batch, feed.timed) for batch in _batches(feed, training=training)]
        if not known:
            planned = [Shape(shape.rows, {key: _roomy(n) for key, n in shape.frames.items()}) for shape in planned]
        most = max(int(option), 1) if option is not None else min(MOST, 1 + len(planned) // _WORTH)
        return Buckets(from_batches(planned, most, multiple=devices), **limits)
    return Buckets(_chunks(feed, Buckets(**limits)), **limits)


def _roomy(length: int) -> int:
    """The length that a guessed one is padded to: with a hundredth more, as a multiple of 8.

    >>> _roomy(100), _roomy(1000)
    (104, 1016)
    """
    return -(-int(1.01 * length + 1) // 8) * 8


def _batches(feed: Planned, *, training: bool) -> Iterator[Batch]:
    """The batches of the first two passes over the data, or of one where every pass is the same."""
    order = feed.data.order
    same = not training or order.method in ("default", "reverse", "sorted", "sorted_reverse")
    left = _SEQUENCES
    for epoch in range(1, (1 if same else 2) * max(order.partition_epoch or 1, 1) + 1):
        for batch in feed.plan(epoch, guess=True):
            left -= batch.rows
            yield batch
            if left <= 0:
                return


def _chunks(feed: Planned, grid: Buckets) -> tuple[Shape, ...]:
    """The shape of whole chunks."""
    if feed.chunking is None:
        return ()
    size = feed.chunking.size
    if feed.context is not None:
        size = size + feed.context.left + feed.context.right
    frames = {key: int(n) for key in feed.timed if (n := size.get(key))}
    return (Shape(grid.rows(1, frames), frames),) if len(frames) == len(feed.timed) else ()
