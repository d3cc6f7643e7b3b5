"""Curves for TensorBoard, written by tensorboardX, which is an optional dependency."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tenure.training.engine.log import Log
from tenure.training.errors import ConfigError
from tenure.training.watching.history import as_number

_OPTIONS = ("log_every_n_train_steps",)
_EVERY = 100


class Board:
    """Writes losses, errors and the learning rate of every so many steps, and the scores of every epoch.

    Args:
      folder: of the event files.
      every: so many steps lie between two values.
      say: is told when a file cannot be written, after which there are no further curves.
    """

    def __init__(self, folder: Path, every: int = _EVERY, say: Callable[[str], None] = print):
        from tensorboardX import SummaryWriter

        self._folder, self._every, self._writer = folder, every, None
        self._make, self._say, self._on = SummaryWriter, say, True

    def __call__(self, what: str, told: Mapping[str, Any]) -> None:
        """Hears of an event."""
        if not self._on:
            return
        try:
            self._hear(what, told)
        except OSError as error:
            self._on = False
            self._say(f"no further curves go to TensorBoard's '{self._folder}': {error.strerror or error}")

    def _hear(self, what: str, told: Mapping[str, Any]) -> None:
        if what == "step" and told["dataset"] == "train":
            self._steps(told)
        elif what == "evaluated":
            self._epoch(told["epoch"], told["training"])
        elif what == "end" and self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self) -> Any:
        if self._writer is None:
            self._writer = self._make(str(self._folder), flush_secs=10)
        return self._writer

    def _steps(self, told: Mapping[str, Any]) -> None:
        step = told["global_step"]
        if step % self._every:
            return
        for key, value in told["costs"].items():
            self._scalar(f"train/{key}", value, step)
        self._scalar("train/learning_rate", told["rate"], step)

    def _epoch(self, epoch: int, training: Any) -> None:
        of = training.rates.epochs.get(epoch)
        if of is None:
            return
        for key, value in of.measured().items():
            self._scalar(f"epoch/{key}", value, epoch)
        if of.learning_rate is not None:
            self._scalar("epoch/learning_rate", of.learning_rate, epoch)
        self._open().flush()

    def _scalar(self, name: str, value: Any, step: int) -> None:
        number = as_number(value)
        if number is not None:
            self._open().add_scalar(name, number if math.isfinite(number) else math.nan, step)


def board_of(config: Mapping[str, Any], log: Log) -> Board | None:
    """The board that a config wants with `use_tensorboard`, or with a folder in `tf_log_dir`.

    Args:
      config: key → value.
      log: is told if tensorboardX is missing and the config has only named a folder.

    Raises:
      ConfigError: `use_tensorboard` is set and tensorboardX is not installed, or an option is wrong.
    """
    folder, wanted = config.get("tf_log_dir"), config.get("use_tensorboard")
    if not (wanted or (wanted is None and folder)) or not config.get("model"):
        return None
    options = config.get("tensorboard_opts") or {}
    for key in options:
        if key not in _OPTIONS:
            raise ConfigError(f"tensorboard_opts has no option {key!r}", ways=[", ".join(_OPTIONS)])
    every = options.get("log_every_n_train_steps", _EVERY)
    if not isinstance(every, int) or every < 1:
        raise ConfigError(f"log_every_n_train_steps is {every!r}", ways=["a number of steps, such as 100"])
    path = Path(folder) if folder else Path(config["model"]).parent / "tensorboard"
    try:
        return Board(path, every, log.say)
    except ImportError:
        if wanted:
            raise ConfigError(
                "use_tensorboard needs the package tensorboardX, which is not installed",
                ways=["pip install 'tenure[tensorboard]'", "use_tensorboard = False"],
            ) from None
        log.say("tf_log_dir is set, and tensorboardX is not installed: nothing is written for TensorBoard", 2)
        return None
