"""Rules that set the next epoch's learning rate by what the scores of the epochs before have done."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tenure.core.errors import brief
from tenure.training.errors import LearningRateError
from tenure.training.rates.scores import EpochScores, key_of, number

Change = float | Callable[[float], float] | None
History = Mapping[int, EpochScores]


@dataclass(frozen=True)
class Rule:
    """The learning rate stays as it is; other rules change it.

    Attributes:
      initial: the learning rate of the first epoch.
      minimum: a decay does not go below.
      measure: keys of the scores to look at, the best first.
      decay: factor, or function of the old rate, when the score did not get better enough.
      growth: factor, or function of the old rate, when it did.
      threshold: what is enough. Scores get smaller when they get better, so this is mostly negative.
      relative_to_rate: a relative change counts more when the learning rate is smaller than at the start.
      min_epochs: a learning rate is kept for so many epochs.
      by_old: relative changes are divided by the old score instead of the new one.
    """

    initial: float = 1.0
    minimum: float = 0.0
    measure: Sequence[str] = ()
    decay: Change = 0.5
    growth: Change = 1.0
    threshold: float = -0.01
    relative_to_rate: bool = False
    min_epochs: int = 0
    by_old: bool = False

    def rate(self, epoch: int, history: History) -> float:
        """The learning rate of an epoch that has none yet."""
        before = [e for e in sorted(history) if e < epoch and history[e].learning_rate is not None]
        if not before:
            return self.initial
        rate = history[before[-1]].learning_rate
        assert rate is not None
        return self.next_rate(epoch, before, history, rate)

    def next_rate(self, epoch: int, before: Sequence[int], history: History, rate: float) -> float:
        """The learning rate that follows `rate`; `before` are the epochs until now."""
        return rate

    def errors(self, old: EpochScores, new: EpochScores) -> tuple[float, float] | None:
        """The scores of two epochs, if both have the one that is looked at and it is the same."""
        keys = [key_of(epoch.scores, self.measure) for epoch in (old, new)]
        if keys[0] is None or keys[0] != keys[1]:
            return None
        for epoch in (old, new):
            number(epoch.scores[keys[0]], keys[0])
        return old.scores[keys[0]], new.scores[keys[0]]

    def relative(self, old: EpochScores, new: EpochScores) -> float | None:
        """How much the score changed, as a share of it."""
        pair = self.errors(old, new)
        if pair is None:
            return None
        before, after = pair
        base = abs(before if self.by_old else after)
        change = (after - before) / base if base else (after - before) * float("inf")
        if self.relative_to_rate and new.learning_rate is not None and new.learning_rate > 0:
            change /= new.learning_rate / self.initial
        return change

    def kept_long_enough(self, before: Sequence[int], history: History) -> bool:
        """Whether the last epochs have had one learning rate for `min_epochs`."""
        if self.min_epochs <= 1:
            return True
        rates = [history[e].learning_rate for e in before[-self.min_epochs :]]
        return len(rates) == self.min_epochs and len(set(rates)) == 1

    def decayed(self, rate: float) -> float:
        """A smaller learning rate, not below the minimum."""
        return max(_changed(rate, self.decay, "decay"), self.minimum)

    def grown(self, rate: float) -> float:
        """A greater learning rate."""
        return _changed(rate, self.growth, "growth")


@dataclass(frozen=True)
class NewbobRelative(Rule):
    """Decays when the last two scores did not change enough, relative to the score."""

    def next_rate(self, epoch: int, before: Sequence[int], history: History, rate: float) -> float:
        if len(before) < 2 or not self.kept_long_enough(before, history):
            return rate
        old, new = history[before[-2]], history[before[-1]]
        for score in self.errors(old, new) or ():
            if not isinstance(score, float):
                raise LearningRateError(
                    f"a score is {score!r}: newbob compares floats", ways=[f"write {float(score)!r}"]
                )
        change = self.change(old, new)
        if change is None:
            return rate
        return self.decayed(rate) if change > self.threshold else self.grown(rate)

    def change(self, old: EpochScores, new: EpochScores) -> float | None:
        """What is compared with the threshold."""
        return self.relative(old, new)


@dataclass(frozen=True)
class NewbobAbs(NewbobRelative):
    """Decays when the last two scores did not change enough."""

    def change(self, old: EpochScores, new: EpochScores) -> float | None:
        pair = self.errors(old, new)
        return None if pair is None else pair[1] - pair[0]


@dataclass(frozen=True)
class NewbobMulti(Rule):
    """Every few epochs, looks at the mean of the relative changes of the last ones.

    Attributes:
      epochs: so many changes are averaged.
      interval: so many epochs lie between two looks.
      grow_threshold: the mean must be below for a growth.
    """

    epochs: int = 5
    interval: int = 5
    grow_threshold: float = -0.01

    def __post_init__(self) -> None:
        if self.interval < 1 or self.epochs < 1:
            raise LearningRateError("newbob_multi_num_epochs and newbob_multi_update_interval must be at least 1")

    def next_rate(self, epoch: int, before: Sequence[int], history: History, rate: float) -> float:
        if self.interval > 1 and epoch % self.interval != 1:
            return rate
        if not self.kept_long_enough(before, history):
            return rate
        mean = self._mean(before, history)
        if mean is None:
            return rate
        falls, grows = mean > self.threshold, mean < self.grow_threshold
        if falls and grows:
            raise LearningRateError(
                f"newbob: the mean change {mean:.4g} is above newbob_relative_error_threshold ({self.threshold}) and below "
                f"newbob_relative_error_grow_threshold ({self.grow_threshold})",
                ways=["the second must not be greater than the first"],
            )
        return self.decayed(rate) if falls else self.grown(rate) if grows else rate

    def _mean(self, before: Sequence[int], history: History) -> float | None:
        last = before[-self.epochs - 1 :]
        changes = [self.relative(history[a], history[b]) for a, b in itertools.pairwise(last)]
        known = [change for change in changes if change is not None]
        return sum(known) / len(known) if known and len(known) == len(changes) else None


def _changed(rate: float, change: Change, name: str) -> float:
    if change is None:
        return rate
    if callable(change):
        return change(rate)
    if not isinstance(change, float):
        raise LearningRateError(f"learning_rate_{name} is {brief(change)}", ways=["a float, such as 0.9", "a function"])
    return rate * change
