"""How long JAX has been compiling: tracing, lowering, and XLA itself."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import jax

_EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
}


class Spans:
    """The length of spans of time that lie in one another, or one after the other, as they are told when they end.

    >>> spans = Spans()
    >>> for start, end in ((1.0, 2.0), (0.5, 3.0), (4.0, 5.0)):
    ...     spans.add(start, end)
    >>> spans.seconds
    3.5
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._last: deque[tuple[float, float]] = deque(maxlen=256)

    def add(self, start: float, end: float) -> None:
        """Adds a span; those inside of it count no longer."""
        while self._last and self._last[-1][0] >= start:
            first, last = self._last.pop()
            self.seconds -= last - first
        self._last.append((start, end))
        self.seconds += end - start


class _Clock:
    """Seconds so far, in this process. JAX's listeners stay, so there is one clock."""

    def __init__(self) -> None:
        self.spans, self._on, self._lock = Spans(), False, threading.Lock()

    def start(self) -> None:
        with self._lock:
            if not self._on:
                self._on = True
                jax.monitoring.register_event_duration_secs_listener(self._hear)

    def _hear(self, event: str, duration_secs: float, **_: Any) -> None:
        if event in _EVENTS:
            now = time.monotonic()
            with self._lock:
                self.spans.add(now - duration_secs, now)


_CLOCK = _Clock()


def compiled() -> float:
    """Seconds that this process spent on compilation since this function was called first."""
    _CLOCK.start()
    return _CLOCK.spans.seconds
