"""A trial run prints nothing: a function that prints runs as it is, so that what it prints are values, and once."""

from __future__ import annotations

import contextlib
import contextvars
import sys
import threading
from collections.abc import Iterator
from typing import Any

_trying: contextvars.ContextVar[bool] = contextvars.ContextVar("tenure_haiku_trying", default=False)
_lock = threading.Lock()
_running = 0


class Printed(BaseException):  # not an error: nothing that catches errors may stop it
    """The function was about to print."""


class _Watched:
    """A stream that a trial run can not write to; whoever else writes does not notice."""

    def __init__(self, stream: Any):
        self.stream = stream

    def write(self, text: str) -> Any:
        if _trying.get():
            raise Printed
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Within, the first `print` of this thread raises `Printed`. Other threads print as ever."""
    token = _trying.set(True)
    _watch(+1)
    try:
        yield
    finally:
        _watch(-1)
        _trying.reset(token)


def _watch(change: int) -> None:
    """The standard output is watched while one thread or several have a trial run."""
    global _running
    with _lock:
        _running += change
        stream: Any = sys.stdout
        if _running and stream is not None and not isinstance(stream, _Watched):
            sys.stdout = _Watched(stream)
        elif not _running and isinstance(stream, _Watched):
            sys.stdout = stream.stream
