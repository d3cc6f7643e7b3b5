"""Sequences that are left out: subsets that are drawn once, and limits of lengths that depend on the epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.data.order import Indices
from tenure.training.errors import DataSetError

_LIMITS = ("max_mean_len", "debug_msg_prefix", "max_len", "min_len", "use_new_filter")


def random_subset(count: int, size: float, seed: int) -> list[int]:
    """So many, or such a share, of `count` sequences, drawn with a seed; all of them if they are fewer."""
    number = int(count * size) if 0 < size < 1 else int(size)
    if number < 1:
        raise DataSetError(f"fixed_random_subset is {brief(size)}, and there are {count} sequences")
    order = list(range(count))
    np.random.RandomState(seed).shuffle(order)
    return order[:number]


@dataclass(frozen=True)
class EpochFilter:
    """Limits of lengths by epoch.

    Attributes:
      limits: (first epoch, last epoch, limits) in order.
    """

    limits: tuple[tuple[int, int | None, Mapping[str, Any]], ...] = ()

    @classmethod
    def parse(cls, option: Mapping[Any, Any] | None, more: Sequence[str] = ()) -> EpochFilter:
        """Reads {(first epoch, last epoch or None): {"max_mean_len": …}}.

        Args:
          option: the value in a config.
          more: limits that the data set itself knows.

        Raises:
          DataSetError: a limit is not known.
        """
        found = []
        for key, limits in (option or {}).items():
            for name in limits:
                if name not in (*_LIMITS, *more):
                    raise DataSetError(
                        f"epoch_wise_filter has no limit {name!r}", near=nearest(name, (*_LIMITS, *more))
                    )
            if not any(limits.get(name) is not None for name in ("max_mean_len", *more)):
                raise DataSetError(
                    "epoch_wise_filter: 'max_mean_len' is the limit that there is",
                    ways=["{(1, 5): {'max_mean_len': 50}}"],
                )
            found.append((key[0], key[1], limits))
        return cls(tuple(found))

    def limits_of(self, epoch: int) -> Mapping[str, Any]:
        """The limits of an epoch."""
        for first, last, limits in self.limits:
            if first <= epoch and (last is None or epoch <= last):
                return limits
        return {}

    def kept(self, epoch: int, indices: Indices, length: Callable[[int], int], *, halving: bool = False) -> Indices:
        """The sequences of an epoch that are short enough: the shortest ones, until their mean length reaches the limit.

        Args:
          epoch: counted from 1.
          indices: of its sequences, in order.
          length: of a sequence.
          halving: unless the limits have `use_new_filter`, take RETURNN's older rule for LibriSpeech: the shortest half, or half
            of these, and so on until the mean is within the limit, sorted by length. Else the order stays.
        """
        limits = self.limits_of(epoch)
        if limits.get("max_mean_len") is None:
            return indices
        rule = _halved if halving and not limits.get("use_new_filter") else _within_mean
        return rule(indices, [length(int(i)) for i in indices], limits["max_mean_len"])


def _halved(indices: Indices, lengths: Sequence[int], limit: float) -> Indices:
    order = sorted(range(len(indices)), key=lambda place: (lengths[place], indices[place]))
    means = np.cumsum(np.asarray(lengths)[order]) / np.arange(1, len(order) + 1)
    count = len(order) + 1
    while count > 1:
        count = -(-count // 2)
        if means[count - 1] <= limit:
            break
    return [indices[place] for place in order[:count]]


def _within_mean(indices: Indices, lengths: Sequence[int], limit: float) -> Indices:
    order = np.argsort(lengths, kind="stable")
    means = np.cumsum(np.asarray(lengths)[order]) / np.arange(1, len(order) + 1)
    count = int(np.searchsorted(means, limit)) + 1
    kept = set(order[:count].tolist())
    return [index for place, index in enumerate(indices) if place in kept]
