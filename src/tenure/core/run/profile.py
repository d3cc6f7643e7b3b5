"""Profiles: a front end that answers some of the core's questions in its own way, on the same frame, modules and slots.

A frame may carry a profile, an object whose methods are named like functions of the core. Where the running frame's
profile has a method of that name, it is called instead. A layer therefore calls one `get_parameter`, whichever front end
transforms the program that it is part of.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from tenure.core.run.frame import Frame, maybe_frame

F = TypeVar("F", bound=Callable[..., Any])


def reproduces() -> bool:
    """Whether a front end runs the program whose results, and compiled programs, are to be those of another library.

    A layer that has a faster way of its own, which rounds differently in places, then goes the other library's.
    """
    frame = maybe_frame()
    return frame is not None and frame.profile is not None


def by_profile(function: F) -> F:
    """Decorator of a function of the core: the running frame's profile may answer in its place."""
    name = function.__name__

    @functools.wraps(function)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        frame = args[0] if args and isinstance(args[0], Frame) else maybe_frame()
        if frame is not None and frame.profile is not None:
            own = getattr(frame.profile, name, None)
            if own is not None:
                return own(*args, **kwargs)
        return function(*args, **kwargs)

    return dispatch  # type: ignore[return-value]


@by_profile
def library() -> str:
    """The short name of the library whose layers the running program uses, for messages.

    >>> library()
    'nn'
    """
    return "nn"
