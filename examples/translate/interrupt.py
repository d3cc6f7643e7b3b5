"""Ctrl-C and `kill`: finish the step, then stop."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXIT_CODE = 130


class Interruptible(AbstractContextManager["Interruptible"]):
    """Inside, the first signal only sets `asked`; the second one interrupts at once.

    >>> with Interruptible() as interrupt:
    ...     signal.raise_signal(signal.SIGTERM)
    >>> interrupt.asked
    True
    """

    asked = False

    def __enter__(self) -> Interruptible:
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("\nstopping after this step ...", flush=True)


def terminate_as_interrupt() -> None:
    """Makes `kill` raise KeyboardInterrupt, as ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
