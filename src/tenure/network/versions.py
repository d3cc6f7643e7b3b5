"""Behaviour versions: what a dictionary may leave open. Published configs say nothing, which is version 0; new ones are strict.

Version n forbids, or reads differently, what stands here beside n; the names are used throughout this package.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

LATEST = 30

FROM_REQUIRED = 1
NO_BROADCAST_OF_ALL_SOURCES = 4
NO_INTEGER_AXES = 5
MERGE_KEEPS_ORDER = 6
NO_ORDER_DEPENDENT_AXES = 7
SPATIAL_DIMS_OF_CONV_EXPLICIT = 8
CONV_BIAS_DEFAULT = 10
NO_MATCH_OF_SIZE_ONE = 11
BATCH_NORM_DEFAULTS = 12
STRICT_DOT = 14
STRICT_DIMS = 16
ZONEOUT_OUTPUT = 17
WINDOW_ORDER = 18
PAD_DYNAMIC = 21
CTC_WITHOUT_PATH_IS_ZERO = 30

_version: contextvars.ContextVar[int] = contextvars.ContextVar("tenure_behavior_version", default=LATEST)


def at_least(version: int) -> bool:
    """Whether the network that is built asks for this version's behaviour.

    >>> with use(0):
    ...     at_least(FROM_REQUIRED)
    False
    """
    return _version.get() >= version


def current() -> int:
    """The behaviour version of the network that is built."""
    return _version.get()


@contextlib.contextmanager
def use(version: int) -> Iterator[None]:
    """Within, networks are read as that version says."""
    token = _version.set(version)
    try:
        yield
    finally:
        _version.reset(token)
