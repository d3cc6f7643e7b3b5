"""Early stop: a training ends when its best epoch is too old."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.core.errors import brief, nearest
from tenure.training.errors import ConfigError
from tenure.training.rates.control import LearningRates

_OPTIONS = ("patience", "measure", "min_epochs", "min_improvement")


def best_is_old(config: Mapping[str, Any], rates: LearningRates, last: int) -> bool:
    """Whether the key `early_stop` ends a training.

    Args:
      config: `early_stop` is a number of epochs, or {"patience": 5, "measure": "dev_error", "min_epochs": 20, "min_improvement": 0.01}.
      rates: with the scores. Smaller ones are better.
      last: the last epoch that is trained.

    Returns:
      True if no epoch since `patience` ones is better, by `min_improvement` at least, than the best before. Epochs of which the score is
      not known do not count.

    Raises:
      ConfigError: the value cannot be used.

    >>> from tenure.training.rates.rules import Rule
    >>> rates = LearningRates(Rule())
    >>> for epoch, score in enumerate([3.0, 1.0, 2.0, 1.5], 1):
    ...     rates.record(epoch, {"dev_score": score})
    >>> [best_is_old({"early_stop": 2}, rates, last) for last in (2, 3, 4)]
    [False, False, True]
    """
    given = config.get("early_stop")
    if not given:
        return False
    options = dict(given) if isinstance(given, Mapping) else {"patience": given}
    for name in options.keys() - set(_OPTIONS):
        raise ConfigError(f"early_stop has no option {name!r}", near=nearest(str(name), _OPTIONS), ways=list(_OPTIONS))
    patience, measure = options.get("patience"), options.get("measure")
    if not isinstance(patience, int) or patience < 1:
        raise ConfigError(f"early_stop: patience is {brief(patience)}", ways=["a number of epochs, 1 or more"])
    if last < int(options.get("min_epochs") or 0):
        return False
    names = {name for e, s in rates.epochs.items() if e <= last for name in s.measured()}
    if measure and names and measure not in names:
        raise ConfigError(f"early_stop: no epoch has the score {measure!r}", near=nearest(str(measure), names))
    least = float(options.get("min_improvement") or 0)
    best, best_epoch = float("inf"), 0
    for epoch in sorted(e for e in rates.epochs if e <= last):
        score = rates.epochs[epoch].scores.get(measure) if measure else rates.error(epoch)[1]
        if score is not None and (float(score) < best - least or not best_epoch):
            best, best_epoch = float(score), epoch
    return bool(best_epoch) and last - best_epoch >= patience
