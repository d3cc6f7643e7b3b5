"""Whether JAX is tracing around the caller."""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
from collections.abc import Iterator
from typing import Any

from jax.extend.core import get_opaque_trace_state


@functools.cache
def _untraced() -> Any:
    """The trace state outside of all transformations: that of a new thread, wherever the caller is."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(get_opaque_trace_state(convention="tenure")))
    thread.start()
    thread.join()
    return found[0]


def outermost() -> bool:
    """Whether no JAX transformation is around the caller."""
    return get_opaque_trace_state(convention="tenure") == _untraced()


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Within, Python does not look for circular garbage: a trace makes many objects, and keeps nearly all of them."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
