"""Learning-rate control: the rates and scores of all epochs, by a rule, with a file that says them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenure.core.errors import brief, nearest
from tenure.training.errors import LearningRateError
from tenure.training.files import write_text
from tenure.training.rates.file import parse, render
from tenure.training.rates.rules import NewbobAbs, NewbobMulti, NewbobRelative, Rule
from tenure.training.rates.scores import EpochScores, best_before, key_of, number

RULES: dict[str, type[Rule]] = {
    "constant": Rule,
    "newbob": NewbobRelative,
    "newbob_rel": NewbobRelative,
    "newbob_relative": NewbobRelative,
    "newbob_abs": NewbobAbs,
    "newbob_multi": NewbobMulti,
    "newbob_multi_epoch": NewbobMulti,
}
_OPTIONS: dict[
    str, tuple[str, Callable[[Any], Any]]
] = {  # a key of the config, the rule's attribute, and how it is read
    "min_learning_rate": ("minimum", float),
    "newbob_learning_rate_decay": ("decay", lambda v: v),
    "learning_rate_decay": ("decay", lambda v: v),
    "newbob_learning_rate_growth": ("growth", lambda v: v),
    "learning_rate_growth": ("growth", lambda v: v),
    "learning_rate_control_relative_error_relative_lr": ("relative_to_rate", bool),
    "learning_rate_control_min_num_epochs_per_new_lr": ("min_epochs", int),
    "newbob_relative_error_div_by_old": ("by_old", bool),
    "newbob_multi_num_epochs": ("epochs", int),
    "newbob_multi_update_interval": ("interval", int),
    "newbob_relative_error_grow_threshold": ("grow_threshold", float),
}


def rule_of(config: Mapping[str, Any]) -> Rule:
    """The rule that a config describes.

    Raises:
      LearningRateError: there is no such rule, or an option has a value that cannot be used.
    """
    name = config.get("learning_rate_control", "constant")
    if name not in RULES:
        raise LearningRateError(
            f"learning_rate_control {brief(name)} is not known", near=nearest(str(name), RULES), ways=[", ".join(RULES)]
        )
    cls = RULES[name]
    given: dict[str, Any] = {"initial": config.get("learning_rate", 1.0), "measure": _measures(config)}
    threshold = "newbob_error_threshold" if cls is NewbobAbs else "newbob_relative_error_threshold"
    for key, (attribute, read) in {**_OPTIONS, threshold: ("threshold", float)}.items():
        if key in config and attribute in cls.__dataclass_fields__:
            given[attribute] = None if config[key] is None else read(config[key])
    if cls is NewbobMulti:  # what is not said is as its counterpart
        for attribute, other in (("interval", "epochs"), ("grow_threshold", "threshold")):
            given.setdefault(attribute, given.get(other, getattr(cls, other)))
    return cls(**given)


def _measures(config: Mapping[str, Any]) -> tuple[str, ...]:
    measure = config.get("learning_rate_control_error_measure")
    return (measure,) if isinstance(measure, str) else tuple(measure or ())


def fixed_rates(config: Mapping[str, Any]) -> dict[int, float]:
    """The rates that `learning_rates` says for single epochs: a list for the first ones, or a dictionary.

    >>> fixed_rates({"learning_rates": [0.1, 0.2]}), fixed_rates({"learning_rates": "{3: 0.5}"})
    ({1: 0.1, 2: 0.2}, {3: 0.5})
    """
    rates = config.get("learning_rates")
    if isinstance(rates, str):
        rates = ast.literal_eval(rates) if rates else None
    if not rates:
        return {}
    if not isinstance(rates, Mapping):
        rates = dict(enumerate(rates, 1))
    return {int(epoch): rate if isinstance(rate, float) else float(rate) for epoch, rate in rates.items()}


@dataclass
class LearningRates:
    """The learning rates of a training.

    Attributes:
      rule: sets the rates that are not fixed.
      epochs: what is known of each epoch.
      path: the learning-rate file, or None.
      fixed: rates that were fixed by epoch.
    """

    rule: Rule
    epochs: dict[int, EpochScores] = field(default_factory=dict)
    path: Path | None = None
    fixed: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], path: Path | None = None) -> LearningRates:
        """Reads a config, and the learning-rate file if there is one.

        Raises:
          LearningRateError: a value cannot be used, or the file cannot be read.
        """
        fixed = fixed_rates(config)
        rates = cls(rule_of(config), {e: EpochScores(rate) for e, rate in fixed.items()}, path, fixed)
        if path is not None and path.exists():
            rates.take(parse(path.read_text(encoding="utf-8"), str(path)))
        return rates

    def take(self, known: Mapping[int, EpochScores]) -> None:
        """Takes epochs of a file. A rate of nothing there is one that nobody knew; a fixed rate is not changed by epochs without
        scores."""
        for epoch, scores in known.items():
            old = self.epochs.get(epoch)
            rate = scores.learning_rate or (old.learning_rate if old else None)
            self.epochs[epoch] = EpochScores(rate, scores.scores)

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, which is known from then on."""
        known = self.epochs.get(epoch)
        if known is not None and known.learning_rate is not None:
            return known.learning_rate
        rate = self.rule.rate(epoch, self.epochs)
        self.set_rate(epoch, rate)
        return rate

    def set_rate(self, epoch: int, rate: float) -> None:
        """Says an epoch's learning rate, whatever the rule would say."""
        known = self.epochs.get(epoch)
        self.epochs[epoch] = EpochScores(rate, known.scores if known else {})

    def record(self, epoch: int, scores: Mapping[str, Any]) -> None:
        """Adds scores to an epoch."""
        self.epochs[epoch] = self.epochs.get(epoch, EpochScores(None)).updated(scores)

    def error(self, epoch: int) -> tuple[str | None, float | None]:
        """The key and the value of the score that is looked at; (None, None) without scores."""
        known = self.epochs.get(epoch)
        key = key_of(known.scores, self.rule.measure) if known else None
        return (None, None) if known is None or key is None else (key, number(known.scores[key], key))

    def last_best(self, last: int, **options: Any) -> int | None:
        """The best epoch until `last` by the score that is looked at, of those with the same score as the last one; see
        `best_before`."""
        known = {epoch: self.error(epoch) for epoch in self.epochs if epoch <= last}
        keys = [known[epoch][0] for epoch in sorted(known) if known[epoch][0] is not None]
        scores = {epoch: value for epoch, (key, value) in known.items() if value is not None and key == keys[-1]}
        return best_before(scores, last, **options)

    def render(self) -> str:
        """The text of the file."""
        return render(self.epochs)

    def save(self) -> None:
        """Writes the file, whole or not at all."""
        if self.path is not None:
            write_text(self.path, self.render())
