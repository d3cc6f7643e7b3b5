"""The learning rate of an epoch of a training: by control, or as pretraining has it; and the epoch to go back to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.training.pretraining.plan import Pretraining
from tenure.training.rates.control import LearningRates


def rate_of_epoch(
    epoch: int,
    rates: LearningRates,
    config: Mapping[str, Any],
    pretraining: Pretraining | None,
    overrides: Mapping[str, Any],
) -> float:
    """The learning rate of an epoch, which `rates` knows from then on.

    Args:
      epoch: counted from 1.
      rates: the learning rates and scores until now.
      config: its keys `use_learning_rate_control_always` and `pretrain_learning_rate` count.
      pretraining: or None.
      overrides: the `#config` of the epoch's network.
    """
    always = bool(config.get("use_learning_rate_control_always"))
    last = 0 if pretraining is None else pretraining.epochs
    known = rates.epochs.get(epoch)
    measured = known is not None and bool(known.scores)
    if "learning_rate" in overrides and not measured:
        rates.set_rate(epoch, float(overrides["learning_rate"]))
    elif not always and last and epoch <= last + 1 and not measured:
        rate = float(config.get("pretrain_learning_rate", rates.rule.initial) if epoch <= last else rates.rule.initial)
        if known is None or not known.learning_rate:  # the file keeps what `learning_rates` says
            rates.set_rate(epoch, rate)
        return rate
    return rates.rate(epoch)


def epoch_to_go_back_to(
    epoch: int, rates: LearningRates, config: Mapping[str, Any], pretraining: Pretraining | None
) -> int | None:
    """The epoch whose weights are taken before training an epoch (`use_last_best_model`), or None."""
    option = config.get("use_last_best_model")
    last = 0 if pretraining is None else pretraining.epochs
    if not option or epoch <= last + 1:
        return None
    options = dict(option) if isinstance(option, Mapping) else {}
    if epoch - 1 <= options.pop("modulo", 0):
        return None
    return rates.last_best(epoch - 1, **{"first_epoch": max(last, 1), **options})
