"""From the losses of steps to the scores of an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tenure.training.engine.step import Losses


@dataclass
class Sum:
    """One loss over some steps.

    Attributes:
      loss, error: sums, or None if it has none.
      count: of frames or sequences.
    """

    loss: float | None = None
    error: float | None = None
    count: float = 0.0


@dataclass
class Scores:
    """The losses of an epoch so far.

    Attributes:
      sums: by the loss's name.
      with_exp: whether exp(score) is told too.

    >>> scores = Scores()
    >>> _ = scores.add({"output": (6.0, 1.0, 0.25)})
    >>> scores.told("dev")
    {'dev_score': 1.5, 'dev_error': 0.25}
    """

    sums: dict[str, Sum] = field(default_factory=dict)
    with_exp: bool = False

    def add(self, losses: Losses) -> dict[str, Any]:
        """Takes the losses of a step; returns its costs and errors by name, as means."""
        told: dict[str, Any] = {}
        for name, (loss, error, factor) in sorted(losses.items()):
            total, factor = self.sums.setdefault(name, Sum()), float(factor)
            if loss is not None:
                total.loss = (total.loss or 0.0) + float(loss)
                told[f"cost:{name}"] = np.float32(float(loss) * factor)
            if error is not None:
                total.error = (total.error or 0.0) + float(error)
                told[f"error:{name}"] = np.float32(float(error) * factor)
            total.count += float(np.float32(1) / np.float32(factor)) if factor else 0.0  # rounded, a whole number again
        return told

    def scores(self) -> dict[str, float]:
        """The mean losses, by name."""
        means = {n: _mean(s.loss, s.count) for n, s in self.sums.items() if s.loss is not None}
        if not self.with_exp:
            return means
        return {k: v for n, m in means.items() for k, v in ((n, m), (f"{n}:exp", _exp(m)))}

    def errors(self) -> dict[str, float]:
        """The mean errors, by name."""
        return {n: _mean(s.error, s.count) for n, s in self.sums.items() if s.error is not None}

    def told(self, data: str) -> dict[str, float]:
        """Scores and errors with the names that learning-rate control knows."""
        found = {}
        for kind, values in (("score", self.scores()), ("error", self.errors())):
            for name, value in sorted(values.items()):
                found[f"{data}_{kind}" if len(values) == 1 else f"{data}_{kind}_{name}"] = value
        return found

    def shown(self) -> tuple[Any, Any]:
        """Score and error for the log: a number, or numbers by name."""
        return _shown(self.scores()), _shown(self.errors())


def _mean(total: float, count: float) -> float:
    return float(np.float32(total / count)) if count else math.nan


def _exp(value: float) -> float:
    return float(np.float32(math.exp(value))) if value < 80 else math.inf


def _shown(values: Mapping[str, float]) -> Any:
    return dict(values) if len(values) > 1 else next(iter(values.values()), None)
