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
    """So many, or such a share, of `count` sequences, drawn with a seed."""
    number = int(count * size) if 0 < size < 1 else int(size)
    if not 0 < number <= count:
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
    def parse(cls, option: Mapping[Any, Any] | None) -> EpochFilter:
        """Reads {(first epoch, last epoch or None): {"max_mean_len": …}}.

        Raises:
          DataSetError: a limit is not known.
        """
        found = []
        for key, limits in (option or {}).items():
            for name in limits:
                if name not in _LIMITS:
                    raise DataSetError(f"epoch_wise_filter has no limit {name!r}", near=nearest(name, _LIMITS))
            if "max_mean_len" not in limits:
                raise DataSetError(
                    "epoch_wise_filter: 'max_mean_len' is the limit that there is",
                    ways=["{(1, 5): {'max_mean_len': 50}}"],
                )
            found.append((key[0], key[1], limits))
        return cls(tuple(found))

    def kept(self, epoch: int, indices: Indices, length: Callable[[int], int]) -> Indices:
        """The sequences of an epoch that are short enough, in their order: the shortest ones, until their mean length reaches the limit."""
        for first, last, limits in self.limits:
            if first <= epoch and (last is None or epoch <= last):
                return _within_mean(indices, [length(int(i)) for i in indices], limits["max_mean_len"])
        return indices


def _within_mean(indices: Indices, lengths: Sequence[int], limit: float) -> Indices:
    order = np.argsort(lengths, kind="stable")
    means = np.cumsum(np.asarray(lengths)[order]) / np.arange(1, len(order) + 1)
    count = int(np.searchsorted(means, limit)) + 1
    kept = set(order[:count].tolist())
    return [index for place, index in enumerate(indices) if place in kept]
