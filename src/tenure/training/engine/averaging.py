"""Means of the parameters of several epochs, each owner once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.errors import ConfigError
from tenure.training.rates.control import LearningRates

_WAYS = ["[18, 19, 20]", "{'last': 4}", "{'best': 4}", "{'best': 4, 'measure': 'dev_error'}"]


def epochs_to_average(config: Mapping[str, Any], rates: LearningRates, existing: Mapping[int, Path]) -> list[int]:
    """The epochs that the key `average_epochs` means; none if it is not set.

    Args:
      config: key → value.
      rates: with the scores, for {"best": n}: of `measure`, or of what learning-rate control looks at.
      existing: the checkpoints by epoch.

    Raises:
      ConfigError: an epoch has no checkpoint, or the value means nothing.
    """
    given = config.get("average_epochs")
    if not given:
        return []
    if isinstance(given, Mapping):
        chosen = _chosen(given, rates, existing)
    elif isinstance(given, list | tuple | range | set):
        chosen = sorted(given)
    else:
        raise ConfigError(f"average_epochs is {brief(given)}", ways=_WAYS)
    missing = [epoch for epoch in chosen if epoch not in existing]
    if missing or not chosen:
        there = ", ".join(map(str, existing)) or "none"
        wanted = ", ".join(map(str, missing)) or "such epochs"
        raise ConfigError(
            f"average_epochs: there is no checkpoint of {wanted}", ways=[f"epochs that are there: {there}"]
        )
    return chosen


def _chosen(given: Mapping[str, Any], rates: LearningRates, existing: Mapping[int, Path]) -> list[int]:
    measure = given.get("measure")
    if set(given) == {"last"}:
        return sorted(existing)[-int(given["last"]) :]
    if "best" not in given or set(given) - {"best", "measure"}:
        raise ConfigError(f"average_epochs is {brief(given)}", ways=_WAYS)
    scores = {
        e: s.scores.get(measure) if measure else rates.error(e)[1] for e, s in rates.epochs.items() if e in existing
    }
    known = {e: float(v) for e, v in scores.items() if v is not None}
    if measure and not known:
        names = {k for s in rates.epochs.values() for k in s.measured()}
        raise ConfigError(f"average_epochs: no epoch has the score {measure!r}", near=nearest(str(measure), names))
    return sorted(sorted(known, key=lambda e: (known[e], -e))[: int(given["best"])])


def averaged(models: Iterable[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """The mean of each value; whole numbers, such as counters, are those of the last model.

    Args:
      models: values by name, the same names in each.

    >>> averaged([{"w": np.float32([1]), "n": np.int32(3)}, {"w": np.float32([2]), "n": np.int32(4)}])
    {'w': array([1.5], dtype=float32), 'n': array(4, dtype=int32)}
    """
    sums: dict[str, np.ndarray] = {}
    last: dict[str, np.ndarray] = {}
    count = 0
    for values in models:
        count += 1
        last = {name: np.asarray(value) for name, value in values.items()}
        for name, value in last.items():
            if np.issubdtype(value.dtype, np.inexact) or value.dtype.kind == "V":  # bfloat16 is of kind V
                sums[name] = sums.get(name, 0.0) + value.astype(np.float64)
    return {n: (sums[n] / count).astype(v.dtype) if n in sums else v for n, v in last.items()}
