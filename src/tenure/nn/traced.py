"""Tracing the maths of a layer once for all layers of the same shapes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax

from tenure.core.run.frame import maybe_frame
from tenure.functional.staged import staged

F = TypeVar("F", bound=Callable[..., Any])


def traced_once(*static: str) -> Callable[[F], F]:
    """Decorator of a pure function of arrays: inside a trace, JAX takes its equations from the first call's.

    The equations are the same as without it, and are inlined where the function is called, except in a plan, whose
    equations nobody reads. A deep model has few layers that differ in shapes, so planning and tracing it take less time than
    its depth suggests. Outside of a trace, and in an uncompiled `jax.grad` or `jax.vmap`, the function runs as it is, operation
    by operation.

    Args:
      *static: names of arguments that are not arrays.

    >>> @traced_once("times")
    ... def repeat(x, times):
    ...     return x * times
    >>> repeat(3.0, times=2)
    6.0
    """

    def decorate(function: F) -> F:
        inlined, called = (jax.jit(function, static_argnames=static, inline=inline) for inline in (True, False))

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not any(map(staged, args)):
                return function(*args, **kwargs)
            frame = maybe_frame()
            planning = frame is not None and frame.planning and frame.profile is None
            return (called if planning else inlined)(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


@functools.lru_cache(maxsize=64)
def _jax_function_once(function: Callable[..., Any]) -> Callable[..., Any]:
    return traced_once()(function)


def activation_once(function: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    """The activation; if it is one of JAX's own, traced once for all inputs of the same shape."""
    return _jax_function_once(function) if getattr(function, "__module__", "").startswith("jax.") else function
