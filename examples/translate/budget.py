"""How far a run is: by the clock, or by the number of steps.

The learning rate falls with the fraction of the run that is over, so that it is
at its lowest when the time is up, on a fast machine and on a slow one. A
continued run goes on from the fraction that it has reached of the longer
whole: after 3 minutes, with 3 more to go, that is one half.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

SPARE = 45.0
"""Seconds left unused at the end, for a machine that is slower than it was at first."""


@dataclass
class Clock:
    """Wall-clock time from the start of the program, and what of it is for training."""

    minutes: float
    reserve: float
    """Seconds needed after training: for the search and the reports."""
    started: float = field(default_factory=time.monotonic)
    now: Callable[[], float] = time.monotonic

    @property
    def elapsed(self) -> float:
        """Seconds since the program started."""
        return self.now() - self.started

    @property
    def left(self) -> float:
        """Seconds left for training."""
        whole = 60 * self.minutes
        return whole - min(SPARE, 0.15 * whole) - self.reserve - self.elapsed


@dataclass
class Budget:
    """Ends training after `steps` steps in all or, with no `steps`, when the clock says so."""

    clock: Clock
    seconds: float = 0.0
    """Training time of the earlier runs that this one continues."""
    steps: int | None = None
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.clock.elapsed

    @property
    def trained(self) -> float:
        """Seconds of training up to now, over all runs."""
        return self.seconds + self.clock.elapsed - self.begun

    def fraction(self, step: int) -> float:
        """From 0 at the start to 1 at the end."""
        if self.steps is not None:
            return min(1.0, step / max(1, self.steps))
        return min(1.0, self.trained / max(1e-9, self.trained + self.clock.left))

    def left(self, step: int, pace: float) -> float:
        """Seconds until training ends, at `pace` seconds a step if steps are counted."""
        return self.clock.left if self.steps is None else (self.steps - step) * pace

    def over(self, step: int) -> bool:
        """Whether to stop before doing step number `step`."""
        return step >= self.steps if self.steps is not None else self.clock.left <= 0
