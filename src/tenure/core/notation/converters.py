"""What a view takes: converters from what was written to plain data that can be hashed, compared and printed.

Each raises TypeError, ValueError or OverflowError, whose text ends the sentence 'view … cannot take …:'.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import jax.numpy as jnp
import numpy as np


def integer(value: Any) -> int:
    """A Python int that fits 64 bits. `True` and `False` are refused.

    Raises:
      TypeError: it is no whole number.
      OverflowError: it needs more than 64 bits.
    """
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError("an integer is needed")
    found = operator.index(value)
    if abs(found) >= 2**63:
        raise OverflowError("it is too large")
    return found


def number(value: Any) -> float:
    """A finite float.

    Raises:
      TypeError: it is no number.
      ValueError: it is infinite or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError("a number is needed")
    if not math.isfinite(value):
        raise ValueError("a finite number is needed")
    return float(value)


def text(value: Any) -> str:
    """A string.

    Raises:
      TypeError: it is none.
    """
    if not isinstance(value, str):
        raise TypeError("a string is needed")
    return value


def maybe_integer(value: Any) -> int | None:
    """An int, or None."""
    return None if value is None else integer(value)


def integers(values: Any) -> tuple[int, ...]:
    """Ints, as several arguments or as one list.

    Raises:
      TypeError: one of them is no whole number.
    """
    if isinstance(values, str):
        raise TypeError("integers are needed")
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = values[0]
    return tuple(integer(v) for v in values)


def permutation(values: Any) -> tuple[int, ...]:
    """An order of axes, each counted from the front.

    Raises:
      TypeError: one of them is no whole number.
      ValueError: an axis is missing, or stands in it twice.
    """
    values = integers(values)
    order = tuple(i + len(values) if i < 0 else i for i in values)
    if sorted(order) != list(range(len(order))):
        raise ValueError("each axis must stand in it once")
    return order


def dtype_name(value: Any) -> str:
    """The name of a dtype of numbers: of `jnp.float32`, 'float32', `np.dtype('float32')`.

    Raises:
      TypeError: it is none, or one of texts, dates or objects.
    """
    if isinstance(value, str):
        value = getattr(jnp, value, None)
    try:
        dtype = jnp.dtype(value) if isinstance(value, (type, np.dtype)) or hasattr(value, "dtype") else None
    except TypeError:
        dtype = None
    if dtype is None or not (jnp.issubdtype(dtype, np.number) or dtype == np.bool_):
        raise TypeError("the name of a dtype of numbers is needed, such as 'float32'")
    return dtype.name


def mesh_axes(values: Any) -> tuple[Any, ...]:
    """For each axis a mesh axis, several, or None.

    Raises:
      TypeError: one string for all, or an entry that is no name.
    """
    if isinstance(values, str):
        raise TypeError("a list of names is needed")
    return tuple(tuple(map(text, v)) if isinstance(v, (tuple, list)) else v if v is None else text(v) for v in values)


def plain(value: Any) -> Any:
    """A registered view's argument: plain data, in a form that can be hashed."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (tuple, list)):
        return tuple(map(plain, value))
    if value is None or isinstance(value, (bool, str)):
        return value
    return number(value) if isinstance(value, float) else integer(value)
