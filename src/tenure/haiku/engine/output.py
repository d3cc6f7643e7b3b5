"""A trial run prints and logs nothing: a function that does runs as it is, so that what it shows are values, and once."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

_trying: contextvars.ContextVar[str] = contextvars.ContextVar("tenure_haiku_trying", default="")
_lock = threading.Lock()
_running = 0


class Printed(BaseException):  # not an error: nothing that catches errors may stop it
    """The function was about to print."""


class _Watched:
    """A stream that a trial run can not write to; whoever else writes does not notice."""

    def __init__(self, stream: Any):
        self.stream = stream

    def write(self, text: str) -> Any:
        if _trying.get() == "refuse":
            raise Printed
        return len(text) if _trying.get() else self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def silent(how: str = "refuse") -> Iterator[None]:
    """Within, this thread shows nothing. Other threads go on as ever.

    Args:
      how: "refuse": the first `print`, or log record, raises `Printed`; "drop": they are lost.
    """
    token = _trying.set(how)
    _watch(+1)
    try:
        yield
    finally:
        _watch(-1)
        _trying.reset(token)


class _WatchedRecords:
    """Makes the log's records, but none of a trial run."""

    def __init__(self, factory: Any):
        self.factory = factory

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _trying.get() == "refuse":
            raise Printed
        record = self.factory(*args, **kwargs)
        if _trying.get():
            record.levelno = -1  # below what any handler takes
        return record


def _watch(change: int) -> None:
    """The standard output and the log are watched while one thread or several have a trial run."""
    global _running
    with _lock:
        _running += change
        stream: Any = sys.stdout
        records: Any = logging.getLogRecordFactory()
        if _running:
            if stream is not None and not isinstance(stream, _Watched):
                sys.stdout = _Watched(stream)
            if not isinstance(records, _WatchedRecords):
                logging.setLogRecordFactory(_WatchedRecords(records))
        else:
            if isinstance(stream, _Watched):
                sys.stdout = stream.stream
            if isinstance(records, _WatchedRecords):
                logging.setLogRecordFactory(records.factory)
