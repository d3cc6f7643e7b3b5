"""Signals that end a training: it stops after the step that is being done."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, TypeVar

from tenure.core.errors import TenureError
from tenure.training.errors import TrainingError

T = TypeVar("T")
SAVES = "stops after the step or the compilation that is being done, and saves; once more stops at once, without"


class Stopped(TrainingError):
    """A signal has stopped the training; the message says how to go on.

    Attributes:
      status: the exit status: 130 after ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


class Signals:
    """While it is on, ctrl-C and SIGTERM are noted only. A second one does at once what it would do otherwise.

    Args:
      says: is written to the error stream when the first one comes.

    Attributes:
      number: of the signal that came, or None.

    >>> import os, signal
    >>> with Signals() as signals:
    ...     os.kill(os.getpid(), signal.SIGTERM)
    ...     signals.number == signal.SIGTERM
    True
    """

    def __init__(self, says: str = SAVES) -> None:
        self._says = f"\n{says}\n".encode() if says else b""
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        try:
            self._before = {n: signal.signal(n, self._note) for n in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not in the main thread
            self._before = {}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            before = self._before.get(number)
            if callable(before):
                before(number, frame)
            raise KeyboardInterrupt
        self.number = number
        with contextlib.suppress(OSError):  # nobody reads it any more
            os.write(2, self._says)  # print might be in the middle of a line

    def until(self, items: Iterable[T]) -> Iterator[T]:
        """All items, or those until making them fails after a signal: it may have gone to processes that load, too.

        >>> list(Signals().until([1, 2]))
        [1, 2]
        """
        try:
            yield from items
        except TenureError:
            if not self.number:
                raise

    def again(self) -> None:
        """Does what the signal that came would do otherwise: mostly, it raises KeyboardInterrupt."""
        if self.number:
            self._note(self.number, None)

    def stopped(self, where: str) -> Stopped:
        """The error that ends the training.

        Args:
          where: "in epoch 3 after 7 steps, which are saved".
        """
        return Stopped(f"stopped {where}; the same command goes on", 128 + (self.number or 2))
