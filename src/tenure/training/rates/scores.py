"""What is known of each epoch: its learning rate and its scores; and which score is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tenure.core.errors import brief
from tenure.training.errors import LearningRateError

META = ":meta:"


@dataclass(frozen=True)
class EpochScores:
    """One epoch.

    Attributes:
      learning_rate: that it was, or is to be, trained with; None if nobody said.
      scores: by key: `dev_score`, `dev_error_ctc`, …, and what is told about the epoch under `:meta:…`.
    """

    learning_rate: float | None
    scores: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rate = self.learning_rate
        if rate is not None and not isinstance(rate, float):
            raise LearningRateError(f"a learning rate is a float, not {brief(rate)}", ways=[f"write {rate}.0"])

    def measured(self) -> dict[str, Any]:
        """The scores without what is told about the epoch."""
        return {key: value for key, value in self.scores.items() if not key.startswith(META)}

    def updated(self, scores: Mapping[str, Any]) -> EpochScores:
        """With more scores; see `flat`."""
        told = flat(scores)
        for key in told:
            if not key.startswith(META):
                number(told[key], key)
        return EpochScores(self.learning_rate, {**self.scores, **told})


def number(value: object, key: str) -> float:
    """A score as a number.

    Raises:
      LearningRateError: it is none.
    """
    if not isinstance(value, float | np.floating):
        raise LearningRateError(f"the score {key!r} is a float, not {brief(value)} of type {type(value).__name__}")
    return float(value)


def flat(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Scores of several losses under keys of their own; one loss alone needs no name.

    >>> flat({"dev_score": {"cost:ctc": 1.0, "cost:output": 2.0}, "dev_error": {"error:output": 0.5}})
    {'dev_score_ctc': 1.0, 'dev_score_output': 2.0, 'dev_error': 0.5}
    """
    found: dict[str, Any] = {}
    for key, value in scores.items():
        if not isinstance(value, Mapping):
            found[key] = value
        elif len(value) == 1:
            found[key] = next(iter(value.values()))
        else:
            found.update({f"{key}_{_loss(name)}": v for name, v in value.items()})
    return found


def _loss(name: str) -> str:
    _, colon, tail = name.partition(":")  # "cost:…" or "error:…"
    return tail if colon else name


def key_of(scores: Iterable[str], wanted: Sequence[str] = ()) -> str | None:
    """The score that learning-rate control looks at.

    Args:
      scores: the keys there are.
      wanted: what the config names in `learning_rate_control_error_measure`, the best first.

    >>> key_of(["train_score", "dev_score_ctc", "dev_score_output/prob"]), key_of(["train_score", "dev_error"], ["dev_error"])
    ('dev_score_output/prob', 'dev_error')
    """
    keys = sorted(key for key in scores if not key.startswith(META))
    for key in [*(k for name in wanted for k in (name, f"{name}_output")), "dev_score", "dev_score_output"]:
        if key in keys:
            return key
    for prefix in ("dev_score_output/output", "dev_score_output/", "dev_"):
        for key in keys:
            if key.startswith(prefix):
                return key
    return next((key for key in ("train_score", "train_score_output") if key in keys), keys[0] if keys else None)


def best_before(
    scores: Mapping[int, float],
    last: int,
    *,
    first_epoch: int = 1,
    only_last_epochs: int | None = None,
    filter_score: float = float("inf"),
    only_last_n: int = -1,
    min_score_dist: float = 0.0,
) -> int | None:
    """The epoch whose weights are worth going back to after a bad one, or None.

    Args:
      scores: by epoch; the smaller the better.
      last: the epoch that was trained last; the score of it, or of the last epoch before it that has one, is to be beaten.
      first_epoch: none before this one.
      only_last_epochs: only among so many last epochs.
      filter_score: none with a score above.
      only_last_n: only among so many last ones of those that are left.
      min_score_dist: it must be better than the last one by more than this.

    >>> best_before({1: 1.0, 2: 0.8, 3: 1.1}, 3), best_before({1: 1.0, 2: 0.8}, 2)
    (2, None)
    """
    first = max(first_epoch, last - only_last_epochs + 1 if only_last_epochs else first_epoch)
    among = [e for e in sorted(scores) if first <= e <= last]
    known = [e for e in among if scores[e] <= filter_score]
    known = known[-only_last_n:] if only_last_n > 0 else known
    better = [e for e in known if scores[e] + min_score_dist < scores[among[-1]]]
    return min(better, key=lambda e: scores[e], default=None)
