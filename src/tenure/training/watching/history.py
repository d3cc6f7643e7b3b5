"""Scores of all epochs as curves, and as JSON holds them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenure.training.rates.scores import META, EpochScores

Epochs = Mapping[int, EpochScores]
_KEY = re.compile(r"(?P<dataset>.+?)_(?P<kind>score|error)(?:_(?P<loss>.+))?")
LARGER_IS_BETTER = ("accuracy", "bleu", "chrf", "f1")


@dataclass(frozen=True)
class Curve:
    """One score over epochs.

    Attributes:
      key: as learning-rate control knows it: `dev_score_ctc`.
      dataset: "dev"; empty if the key does not say.
      topic: what is measured, for all data sets: "score ctc".
      values: by epoch; those that are no finite numbers are left out.
    """

    key: str
    dataset: str
    topic: str
    values: Mapping[int, float]

    @property
    def best(self) -> tuple[int, float] | None:
        """The epoch with the best value, the first of several, and the value; None without values.

        >>> Curve("dev_score", "dev", "score", {1: 2.0, 2: 1.0, 3: 1.0}).best
        (2, 1.0)
        """
        if not self.values:
            return None
        sign = -1 if any(word in self.key.lower() for word in LARGER_IS_BETTER) else 1
        epoch = min(self.values, key=lambda e: (sign * self.values[e], e))
        return epoch, self.values[epoch]


def curves(epochs: Epochs) -> list[Curve]:
    """The measured scores as curves: training first, then by name.

    >>> [(c.dataset, c.topic) for c in curves({1: EpochScores(0.1, {"dev_error": 0.5, "train_score_ctc": 1.0})})]
    [('train', 'score ctc'), ('dev', 'error')]
    """
    found: dict[str, dict[int, float]] = {}
    for epoch, of in sorted(epochs.items()):
        for key, value in of.measured().items():
            number = as_number(value)
            if number is not None:
                found.setdefault(key, {})
                if math.isfinite(number):
                    found[key][epoch] = number
    made = [_curve(key, values) for key, values in found.items()]
    return sorted(made, key=lambda c: (c.dataset != "train", c.dataset != "dev", "_score" not in c.key, c.key))


def _curve(key: str, values: Mapping[int, float]) -> Curve:
    match = _KEY.fullmatch(key)
    if match is None:
        return Curve(key, "", key, values)
    return Curve(key, match["dataset"], " ".join(filter(None, (match["kind"], match["loss"]))), values)


def as_number(value: Any) -> float | None:
    """A score as a number; None if it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def as_json(epochs: Epochs) -> dict[str, Any]:
    """All that is known of epochs, as JSON holds it: numbers that are not finite are null.

    >>> as_json({1: EpochScores(0.1, {"dev_score": math.nan})})
    {'1': {'learning_rate': 0.1, 'scores': {'dev_score': None}}}
    """
    return {
        str(epoch): {"learning_rate": of.learning_rate, "scores": {k: _plain(v) for k, v in of.scores.items()}}
        for epoch, of in sorted(epochs.items())
    }


def _plain(value: Any) -> Any:
    number = as_number(value)
    if number is None:
        return str(value)
    return number if math.isfinite(number) else None


def seconds_of(of: EpochScores) -> float | None:
    """How long an epoch was trained."""
    return as_number(of.scores.get(f"{META}epoch_train_time_secs"))
