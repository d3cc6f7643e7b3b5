"""Which batches an epoch had until a stop, so that a training does not go on with others unnoticed."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tenure.training.batching.frames import Frames
from tenure.training.batching.plan import Batch
from tenure.training.data.base import Epoch
from tenure.training.engine.changes import Basis, contents, settings
from tenure.training.engine.feeding import Feed
from tenure.training.errors import TrainingError

_MOST = 4  # changes that are named


class Trail:
    """The sequences and the frames of all batches so far, as a digest.

    >>> from tenure.training.batching.plan import Batching
    >>> batches = list(Batching(batch_size=4).batches(Frames({"data": n}) for n in (3, 4)))
    >>> texts = []
    >>> for order in ([0, 1], [0, 1], [1, 0]):
    ...     trail = Trail(order)
    ...     for batch in batches:
    ...         trail.add(batch)
    ...     texts.append(trail.text)
    >>> texts[0] == texts[1], texts[1] == texts[2]
    (True, False)
    """

    def __init__(self, indices: Sequence[int] | Any):
        """A trail of no batches.

        Args:
          indices: of the epoch's sequences in the data set.
        """
        self._indices, self._digest = indices, hashlib.sha256()

    def add(self, batch: Batch) -> None:
        """Adds the next batch."""
        for piece in batch.pieces:
            told = (piece.row, int(self._indices[piece.index]), _plain(piece.start), _plain(piece.end))
            self._digest.update(repr(told).encode())
        self._digest.update(b";")

    @property
    def text(self) -> str:
        """The digest."""
        return self._digest.hexdigest()


def _plain(frames: Frames) -> list[Any]:
    rest = None if frames.rest is None else float(frames.rest)
    return [rest, *sorted((key, float(value)) for key, value in frames.of.items())]


def followed(
    feed: Feed,
    sequences: Epoch,
    position: tuple[int, int],
    told: Mapping[str, Any],
    now: Callable[[], Basis],
    unfinished: Path,
) -> Trail:
    """The trail of the batches that were trained before a stop.

    Args:
      feed: the data.
      sequences: of the epoch.
      position: the epoch that goes on, and how many of its batches are done.
      told: what was saved with them: the digest of "batches", and what they were made of ("basis"); nothing if nobody knows.
      now: gives what they are made of now.
      unfinished: the checkpoint that was saved.

    Raises:
      TrainingError: they would be other ones now, or hold something else; the message says what has changed.
    """
    epoch, done = position
    trail, before = Trail(sequences.indices), told.get("basis")
    changed = contents(before, now()) if before else []
    if not changed:
        for batch in itertools.islice(feed.plan(epoch, sequences), done) if done else ():
            trail.add(batch)
        if told.get("batches") in (None, trail.text):
            return trail
        changed = settings(before, now()) if before else []
    ways = [f"remove '{unfinished}': then epoch {epoch} starts anew"]
    if changed:
        more = [f"and {len(changed) - _MOST} more"] if len(changed) > _MOST else []
        what = f"since the stop, what it trains on has changed: {'; '.join([*changed[:_MOST], *more])}"
        ways = ["all as it was", *ways]
    else:
        what = (
            "its batches are not those from before the stop, since the data set 'train' or a key that says how batches are made "
            "has changed"
        )
        ways = ["train, batch_size, max_seqs, chunking, batching, … as they were", *ways]
    raise TrainingError(f"epoch {epoch} cannot go on after {done} steps: {what}", ways=ways)
