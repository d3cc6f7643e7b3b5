"""What several stages need: converters of options, axes, checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.notation import converters
from tenure.core.notation.stage import Irreversible, Misfit, Spec


def probability(value: Any) -> float:
    """A number in [0, 1).

    Raises:
      TypeError, ValueError: it is none.
    """
    found = converters.number(value)
    if not 0 <= found < 1:
        raise ValueError("a number from 0 to below 1 is needed")
    return found


def positive(value: Any) -> float:
    """A number above 0.

    Raises:
      TypeError, ValueError: it is none.
    """
    found = converters.number(value)
    if found <= 0:
        raise ValueError("a number above 0 is needed")
    return found


def not_negative(value: Any) -> float:
    """A number of at least 0.

    Raises:
      TypeError, ValueError: it is none.
    """
    found = converters.number(value)
    if found < 0:
        raise ValueError("a number of at least 0 is needed")
    return found


def count(value: Any) -> int:
    """An integer above 0.

    Raises:
      TypeError, ValueError: it is none.
    """
    found = converters.integer(value)
    if found < 1:
        raise ValueError("an integer above 0 is needed")
    return found


def one_of(*words: str) -> Callable[[Any], str]:
    """A converter that takes one of the words; the converter raises `ValueError` for any other value."""

    def convert(value: Any) -> str:
        if value not in words:
            raise ValueError(f"it is one of {', '.join(map(repr, words))}")
        return value

    return convert


def floating(spec: Spec, least: int = 0) -> None:
    """Raises `Misfit` unless the weight is of floating-point numbers and has that many axes."""
    if not jnp.issubdtype(spec.dtype, np.floating):
        raise Misfit(f"it needs floating-point numbers, not {spec.dtype}")
    if len(spec.shape) < least:
        raise Misfit(f"it needs at least {least} axes, and the shape is {spec.shape}")


def axis_of(axis: int, spec: Spec) -> int:
    """The axis, counted from the front.

    Args:
      axis: counted from either end.
      spec: the shape that has it.

    Raises:
      Misfit: there is no such axis.
    """
    if not -len(spec.shape) <= axis < len(spec.shape):
        raise Misfit(f"there is no axis {axis} in {spec.shape}")
    return axis % len(spec.shape)


def all_but(axis: int, ndim: int) -> tuple[int, ...]:
    """All axes but one."""
    return tuple(i for i in range(ndim) if i != axis % ndim)


def matrix(value: jax.Array) -> jax.Array:
    """All axes but the last as rows."""
    return value.reshape(-1, value.shape[-1])


def check_close(wanted: Any, found: Any, why: str, rtol: float = 1e-4) -> None:
    """Raises `Irreversible` where the way back does not lead back; what is being traced is not checked."""
    if isinstance(wanted, jax.core.Tracer) or isinstance(found, jax.core.Tracer):
        return
    a, b = np.asarray(wanted, np.float64), np.asarray(found, np.float64)
    tolerance = max(rtol, 8 * float(jnp.finfo(wanted.dtype).eps)) * max(1.0, float(np.max(np.abs(a), initial=0.0)))
    distance = float(np.max(np.abs(a - b), initial=0.0))
    if not distance <= tolerance:
        raise Irreversible(f"{why}: the nearest that it can be differs by {distance:.3g}")
