"""The order of sequences in an epoch, a pure function of the epoch, the number of sequences, their lengths and tags.

Methods are RETURNN's: `default`, `default_every_n:N`, `reverse`, `sorted`, `sorted_reverse`, `random[:HOLD]`,
`random_sample[:HOLD]`, `laplace[:BINS[:HOLD]]`, `sort_bin_shuffle[:BINS[:HOLD]]`, `sort_bin_shuffle_x2[:BINS[:HOLD]]`. BINS is a
number of bins, or `.N` for bins of about N sequences; a random order is kept for HOLD epochs.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.errors import OrderError

Lengths = Callable[[], np.ndarray]
Indices = Sequence[int] | np.ndarray
Method = str | Callable[..., str]


@dataclass(frozen=True)
class Order:
    """How a data set orders its sequences.

    Attributes:
      method: one of the methods above, or a function `(epoch, **_) -> method`.
      partition_epoch: an epoch is one of so many parts of the data.
      repeat_epoch: an epoch has its sequences so many times.
      fixed_random_seed: the seed of every epoch; None derives it from the epoch.
      random_seed_offset: is added to a derived seed; None adds nothing.
      unique_tags: only the first of several sequences with one tag.
      tags: only sequences with these tags; None for all.
      lengths_by_tag: by which sequences are sorted, in the place of those that the data set knows.
      shards: the sequences of an epoch are split over so many workers …
      shard: … of which this is one, counted from 0.

    >>> Order("laplace:.2").indices(1, 5, lambda: np.array([3, 1, 2, 5, 4])).tolist()
    [1, 2, 3, 4, 0]
    >>> [Order("random", partition_epoch=2).indices(e, 5).tolist() for e in (1, 2)]
    [[2, 1, 4], [0, 3]]
    """

    method: Method = "default"
    partition_epoch: int = 1
    repeat_epoch: int = 1
    fixed_random_seed: int | None = None
    random_seed_offset: int | None = 0
    unique_tags: bool = False
    tags: frozenset[str] | None = None
    lengths_by_tag: Mapping[str, float] | None = field(default=None, hash=False)
    shards: int = 1
    shard: int = 0

    def seed(self, epoch: int, hold: int = 1) -> int:
        """The seed of the random numbers of an epoch, the same for all parts of one pass over the data.

        Args:
          epoch: counted from 1.
          hold: the seed stays the same for so many passes.
        """
        if self.fixed_random_seed is not None:
            return self.fixed_random_seed
        passes = (epoch - 1) // max(self.partition_epoch or 1, 1)
        return passes // max(hold, 1) + 1 + (self.random_seed_offset or 0)

    def indices(
        self, epoch: int, count: int, lengths: Lengths | None = None, tags: Callable[[], Sequence[str]] | None = None
    ) -> np.ndarray:
        """Which sequences come in an epoch, in which order.

        Args:
          epoch: counted from 1.
          count: how many sequences the data has.
          lengths: gives the lengths of all sequences; only some methods ask for them.
          tags: gives the tags of all sequences; only filters ask for them.

        Raises:
          OrderError: the method is unknown, has parts that cannot be read, needs lengths that are not known, or nothing is left.
        """
        if count <= 0:
            raise OrderError("no sequences to put in order: the data set is empty")
        if self.lengths_by_tag is not None:
            given, known = self.lengths_by_tag, _need_tags(tags, "seq_order_seq_lens_file")
            lengths = functools.partial(_lengths_of, known, given)
        order = _ordered(self._method(epoch), count, lengths, lambda hold: self._generator(epoch, hold))
        if self.unique_tags:
            order = _first_of_each(order, _need_tags(tags, "unique_seq_tags"))
        order = self._part(order, epoch)
        if (self.repeat_epoch or 1) > 1:
            order = np.tile(order, self.repeat_epoch)
        return order if self.tags is None else self._filtered(order, _need_tags(tags, "seq_list_filter_file"))

    def _method(self, epoch: int) -> str:
        method = self.method(epoch=epoch) if callable(self.method) else self.method
        if not isinstance(method, str):
            raise OrderError(f"seq_ordering must be a string, or a function that gives one; it is {brief(method)}")
        return method

    def _generator(self, epoch: int, hold: int) -> np.random.RandomState:
        return np.random.RandomState(self.seed(epoch, hold))

    def _part(self, order: np.ndarray, epoch: int) -> np.ndarray:
        """One of `partition_epoch * shards` parts; the first ones are longer by one where the parts are not equal."""
        passes = max(self.partition_epoch or 1, 1)
        if not 0 <= self.shard < self.shards:
            raise OrderError(f"shard {self.shard} of {self.shards}: shards are counted from 0")
        return np.array_split(order, passes * self.shards)[(epoch - 1) % passes * self.shards + self.shard]

    def _filtered(self, order: np.ndarray, tags: Sequence[str]) -> np.ndarray:
        kept = np.array([i for i in order if tags[i] in (self.tags or ())], dtype=np.int64)
        if not len(kept):
            seen, wanted = [tags[i] for i in order[:3]], sorted(self.tags or ())[:3]
            raise OrderError(
                "no sequence of this epoch is in seq_list_filter_file",
                ways=[f"the filter has tags such as {brief(wanted)}, the data {brief(seen)}"],
            )
        return kept


def _ordered(
    method: str, count: int, lengths: Lengths | None, generator: Callable[[int], np.random.RandomState]
) -> np.ndarray:
    """The whole data in the order of a method; `generator(hold)` makes its random numbers."""
    name, *parts = method.split(":")
    if name in _PLAIN and not parts:
        return _PLAIN[name](count)
    if name in ("sorted", "sorted_reverse") and not parts:
        return _by_length(np.arange(count), _need_lengths(lengths, method), reverse=name == "sorted_reverse")
    if name == "default_every_n" and len(parts) == 1:
        return _every(count, _number(parts[0], method, at_least=1))
    if name in ("random", "random_sample") and len(parts) <= 1:
        random = generator(_number(parts[0], method) if parts else 1)
        return random.permutation(count) if name == "random" else random.randint(0, count, size=count)
    if name in _BINNED:
        bins = _bins(parts[0], count, method) if parts else 2
        random = generator(_number(parts[1], method) if len(parts) > 1 else 1)
        return _BINNED[name](random, bins, count, _need_lengths(lengths, method))
    raise OrderError(f"seq_ordering {method!r} is not known", near=nearest(name, _NAMES), ways=[", ".join(_NAMES)])


def _every(count: int, n: int) -> np.ndarray:
    """n stretches of the data side by side; what does not fill a stretch is left out."""
    return np.arange(count // n * n).reshape(n, count // n).T.reshape(-1)


def _by_length(order: np.ndarray, lengths: np.ndarray, *, reverse: bool = False) -> np.ndarray:
    keys = lengths[order]
    return order[np.argsort(-keys if reverse else keys, kind="stable")]


def _laplace(random: np.random.RandomState, bins: int, count: int, lengths: np.ndarray) -> np.ndarray:
    """Shuffled, cut into bins, each sorted: upwards, then downwards, so that neighbours are alike."""
    parts = _cut(random.permutation(count), bins)
    return np.concatenate([_by_length(part, lengths, reverse=i % 2 == 1) for i, part in enumerate(parts)])


def _sorted_bins(random: np.random.RandomState, bins: int, count: int, lengths: np.ndarray) -> np.ndarray:
    """Sorted by length, cut into bins, which are shuffled."""
    parts = _cut(_by_length(random.permutation(count), lengths), bins)
    return np.concatenate([parts[i] for i in random.permutation(bins)])


def _shuffled_bins(random: np.random.RandomState, bins: int, count: int, lengths: np.ndarray) -> np.ndarray:
    """Sorted by length, cut into bins, which are shuffled, as is each of them inside."""
    parts = _cut(_by_length(random.permutation(count), lengths), bins)
    shuffled = []
    for i in random.permutation(bins):
        random.shuffle(parts[i])
        shuffled.append(parts[i])
    return np.concatenate(shuffled)


def _cut(order: np.ndarray, bins: int) -> list[np.ndarray]:
    ends = [i * len(order) // bins for i in range(bins + 1)]
    return [order[a:b].copy() for a, b in itertools.pairwise(ends)]


_PLAIN: dict[str, Callable[[int], np.ndarray]] = {"default": np.arange, "reverse": lambda count: np.arange(count)[::-1]}
_BINNED = {"laplace": _laplace, "sort_bin_shuffle": _sorted_bins, "sort_bin_shuffle_x2": _shuffled_bins}
_NAMES = (*_PLAIN, "default_every_n:N", "sorted", "sorted_reverse", "random", "random_sample", *_BINNED)


def _bins(text: str, count: int, method: str) -> int:
    if not text.startswith("."):
        return _number(text, method, at_least=1)
    return max(count // _number(text[1:], method, at_least=1), 2)


def _number(text: str, method: str, at_least: int | None = None) -> int:
    try:
        number = int(text)
    except ValueError:
        raise OrderError(f"seq_ordering {method!r}: {text!r} is not a whole number") from None
    if at_least is not None and number < at_least:
        raise OrderError(f"seq_ordering {method!r}: {text!r} must be at least {at_least}")
    return number


def _need_lengths(lengths: Lengths | None, method: str) -> np.ndarray:
    if lengths is None:
        raise OrderError(
            f"seq_ordering {method!r} needs the lengths of all sequences, and this data set does not know them",
            ways=["name a file with lengths: seq_order_seq_lens_file", "use 'random' or 'default'"],
        )
    return lengths()


def _lengths_of(tags: Sequence[str], lengths: Mapping[str, float]) -> np.ndarray:
    missing = [tag for tag in tags if not isinstance(lengths.get(tag), int | float)]
    if missing:
        raise OrderError(
            f"seq_order_seq_lens_file has no length of {missing[0]!r}, and of {len(missing)} sequences in all",
            near=nearest(missing[0], list(lengths)[:2000]),
        )
    return np.array([lengths[tag] for tag in tags])


def _need_tags(tags: Callable[[], Sequence[str]] | None, option: str) -> Sequence[str]:
    if tags is None:
        raise OrderError(f"{option} needs the tags of all sequences, and this data set does not know them")
    return tags()


def _first_of_each(order: np.ndarray, tags: Sequence[str]) -> np.ndarray:
    first: dict[str, int] = {}
    for index in order:
        first.setdefault(tags[index], index)
    return np.array(list(first.values()), dtype=np.int64)
