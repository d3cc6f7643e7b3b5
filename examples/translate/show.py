"""What is seen of a running training: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from typing import NamedTuple

from rich.progress import BarColumn, Progress, TextColumn


class Numbers(NamedTuple):
    """One line of progress. `tokens` are target pieces a second, without compilation."""

    step: int
    epoch: float
    loss: float
    tokens: float
    left: float
    perplexity: float | None

    def __str__(self) -> str:
        minutes, seconds = divmod(max(0, round(self.left)), 60)
        valid = f"   valid ppl {self.perplexity:.1f}" if self.perplexity else ""
        return (
            f"step {self.step:5d}   epoch {self.epoch:5.2f}   loss {self.loss:5.3f}   "
            f"{self.tokens:6,.0f} tokens/s   {minutes:02d}:{seconds:02d} left{valid}"
        )


class Display(AbstractContextManager["Display"]):
    """Shows `Numbers`: at every step on a terminal, every `every` seconds elsewhere."""

    def __init__(self, every: float = 10.0):
        self._every, self._last, self._bar = every, time.monotonic(), None
        if sys.stdout.isatty():
            columns = (BarColumn(bar_width=20), TextColumn("{task.description}"))
            self._bar = Progress(*columns, transient=True)
            self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> Display:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, numbers: Numbers, fraction: float) -> None:
        """Called after each step."""
        now = time.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=fraction, description=str(numbers))
        elif now - self._last >= self._every:
            self.note(str(numbers))

    def note(self, text: str) -> None:
        """A line that stays."""
        self._last = time.monotonic()
        if self._bar:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, flush=True)
