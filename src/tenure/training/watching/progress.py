"""How far an epoch is: a line that changes on a terminal, and now and then a line of its own elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tenure.training.engine.log import Log
from tenure.training.engine.log_lines import seconds
from tenure.training.watching.charts import number
from tenure.training.watching.compiling import compiled

_OFTEN = 0.1  # seconds between two changes of the line
_PLAIN = 30.0  # seconds between two lines where they stay
_WORTH = 0.05  # seconds of compilation that are told


class Progress:
    """Tells of steps: loss, error, speed and the time that is left. Compilation is told by name and counts for no speed.

    Args:
      log: where to.
      clock: seconds.
      compiling: seconds of compilation so far.
    """

    def __init__(
        self, log: Log, clock: Callable[[], float] = time.monotonic, compiling: Callable[[], float] = compiled
    ):
        self._log, self._clock, self._compiling = log, clock, compiling
        self._dataset: tuple[int, str] | None = None
        self._last = -_PLAIN
        self._speeds: dict[str, str] = {}
        compiling()

    def __call__(self, what: str, told: Mapping[str, Any]) -> None:
        """Hears of an event."""
        if what == "step":
            self._step(told)
        elif what == "epoch":
            self._begin((told["epoch"], "train"))
            self._log.status(f"epoch {told['epoch']}: loading data and compiling the first step …")
        elif what == "evaluated":
            self._summary(told["epoch"])
        elif what == "end":
            self._log.status("")

    def _begin(self, dataset: tuple[int, str]) -> None:
        self._dataset, self._start, self._frames, self._done = dataset, self._clock(), 0, 0
        self._compiled, self._unit = self._compiling(), "frames"
        self._from: float | None = None
        if dataset[1] == "train":
            self._epoch_start, self._epoch_compiled, self._last = self._start, self._compiled, self._start
            self._speeds = {}

    def _step(self, told: Mapping[str, Any]) -> None:
        dataset = (told["epoch"], told["dataset"])
        fresh = dataset != self._dataset
        if fresh:
            self._begin(dataset)
        self._count(told["batch"])
        if fresh:  # one hears of its first step when that has ended, and does not know how long it took
            self._frames = 0
        now = self._clock()
        spent = max(now - self._start - (self._compiling() - self._compiled), 1e-9)
        share = min(1.0, (max(told["batch"].indices) + 1) / max(told["sequences"], 1))
        if self._from is None:  # where an epoch goes on after a stop, what was done before took no time now
            first = min(told["batch"].indices) / max(told["sequences"], 1) if told["step"] else 0.0
            self._from = share if fresh else first
        speed = f"{self._frames / spent:,.0f} {self._unit}/s"
        self._speeds[told["dataset"]] = speed
        if now - self._last < (_OFTEN if self._log.live else _PLAIN) or not 3 <= self._log.verbosity < 5:
            return
        self._last = now
        done = share - self._from
        left = seconds(spent * (1 - share) / done) if done > 0 else "?"
        about = f"epoch {told['epoch']}" + ("" if told["dataset"] == "train" else f" {told['dataset']!r}")
        parts = [about, f"{share:4.0%}", f"step {told['step']}", *_scores(told["costs"])]
        parts += [speed, f"{left} left"] if self._frames else []
        spent = self._compiling() - self._compiled
        parts += [f"compiled {spent:.1f} s"] if spent > _WORTH else []
        line = "  ".join(parts)
        if self._log.live:
            self._log.status(line)
        else:
            self._log.say(line)

    def _count(self, batch: Any) -> None:
        key = "data" if "data" in batch.lengths else next(iter(batch.lengths), None)
        if key is None:
            return
        array = batch.arrays[key]
        self._frames += int(np.sum(batch.lengths[key]))
        self._unit = "tokens" if array.ndim == 2 and np.issubdtype(array.dtype, np.integer) else "frames"

    def _summary(self, epoch: int) -> None:
        speed, spent = self._speeds.get("train"), self._compiling() - self._epoch_compiled
        if speed is None:
            return
        whole = self._clock() - self._epoch_start
        more = f"; {spent:.1f} s of {whole:.1f} s were compilation" if spent > _WORTH else f" in {whole:.1f} s"
        self._log.say(f"epoch {epoch} speed: {speed}{more}")


def _scores(costs: Mapping[str, Any]) -> list[str]:
    """Mean loss and error of a step; where there are several losses, their sum. The objective is a sum over frames, and no help."""
    losses = [float(v) for k, v in costs.items() if k.startswith("cost:")]
    if not losses and "loss" in costs:
        losses = [float(costs["loss"])]
    errors = [float(v) for k, v in costs.items() if k.startswith("error:")]
    return [*([f"loss {number(sum(losses))}"] if losses else []), *(f"error {number(error)}" for error in errors[-1:])]
