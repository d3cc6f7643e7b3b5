"""Whether JAX is tracing around the caller."""

from __future__ import annotations

import functools
import threading
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
