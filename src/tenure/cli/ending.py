"""What ends a command from outside: ctrl-C and SIGTERM. Either is an exception, so that nothing half-written is left behind."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises `Terminated`, in the main thread.

    >>> import os
    >>> with terminable():
    ...     try:
    ...         os.kill(os.getpid(), signal.SIGTERM)
    ...     except Terminated:
    ...         print("cleaned up")
    cleaned up
    """
    try:
        before = signal.signal(signal.SIGTERM, _raise)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise(number: int, frame: FrameType | None) -> None:
    raise Terminated


def told(stop: KeyboardInterrupt) -> tuple[str, int]:
    """What a command that was ended says, and its exit status.

    >>> told(Terminated()), told(KeyboardInterrupt())
    (('stopped by SIGTERM', 143), ('stopped by ctrl-C', 130))
    """
    return ("stopped by SIGTERM", 143) if isinstance(stop, Terminated) else ("stopped by ctrl-C", 130)
