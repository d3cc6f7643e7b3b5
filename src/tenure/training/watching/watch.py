"""What watches a training by `tenure train`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tenure.training.engine.log import Log
from tenure.training.watching.board import board_of
from tenure.training.watching.progress import Progress
from tenure.training.watching.reports import Reports

Watch = Callable[[str, Mapping[str, Any]], None]


def watch_of(config: Mapping[str, Any], log: Log, first: Watch | None = None) -> Watch:
    """One watch that tells all: progress, reports, and TensorBoard where the config wants it.

    Args:
      config: key → value; `report = False` leaves the files out.
      log: of the training.
      first: another watch, which hears everything first.

    Raises:
      ConfigError: TensorBoard cannot be had.
    """
    watches: list[Watch | None] = [first, Progress(log), board_of(config, log)]
    if config.get("report", True) and config.get("model"):
        watches.append(Reports(Path(config["model"]), log))

    def watch(what: str, told: Mapping[str, Any]) -> None:
        for each in watches:
            if each is not None:
                each(what, told)

    return watch
