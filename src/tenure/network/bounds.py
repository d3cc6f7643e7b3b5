"""How much an expression may make: items of Python's lists and strings, and elements of arrays.

Expressions come from dictionaries, which are data, so a short one must not take all memory or hours. An evaluation has one
budget for all that it makes. Nested lists count by what they spell out: `[[x] * n] * n` has n² items, however few objects.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tenure.core.errors import TenureError

MAX_ITEMS = 1_000_000
MAX_ELEMENTS = 2**28
MAX_DEPTH = 64
MAX_OUTPUT = 2**33


class BoundError(TenureError):
    """An expression that makes more than it may."""


class Budget:
    """What one evaluation may still make.

    Attributes:
      items: of lists, tuples, sets, dicts and strings.
      elements: of arrays that are made from nothing but numbers.
    """

    def __init__(self, items: int = MAX_ITEMS, elements: int = MAX_ELEMENTS):
        self.items, self.elements = items, elements


_budget: contextvars.ContextVar[Budget | None] = contextvars.ContextVar("tenure_budget", default=None)


@contextlib.contextmanager
def budget(largest: int = 0) -> Iterator[Budget]:
    """Within, what is made is taken from one budget; an evaluation inside of another has that one's.

    Args:
      largest: the number of elements of the largest input, in proportion to which more may be made.
    """
    around = _budget.get()
    made = around or Budget(elements=max(MAX_ELEMENTS, 16 * largest))
    token = _budget.set(made)
    try:
        yield made
    finally:
        _budget.reset(token)


def items(count: int) -> None:
    """Takes items from the budget.

    Raises:
      BoundError: there are not so many left.
    """
    left = _budget.get()
    if left is None:
        return
    left.items -= count
    if left.items < 0:
        raise BoundError(f"it makes lists or strings of more than {MAX_ITEMS} items in all")


def elements(shape: Sequence[Any]) -> None:
    """Takes an array's elements from the budget; without one, an array may have 2²⁸.

    Raises:
      BoundError: there are not so many left.
    """
    sizes = [float(n) for n in shape if isinstance(n, (int, float, np.integer))]
    count = math.prod(sizes)
    left = _budget.get()
    if left is not None:
        left.elements -= int(min(count, 2.0**62))
    if count > MAX_ELEMENTS if left is None else left.elements < 0:
        raise BoundError(f"it makes an array of the absurd shape {tuple(shape)!r:.200}, or too many arrays")


def broadcast(*values: Any) -> None:
    """Takes what an elementwise operation of known arrays makes from the budget."""
    arrays = [v for v in values if isinstance(v, np.ndarray)]
    if len(arrays) < 2:
        return
    try:
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:  # they do not fit, which the operation tells
        return
    elements(shape)


def spelled(value: Any, limit: int = MAX_ITEMS) -> int:
    """How many items a nested value has, where what occurs twice counts twice.

    Raises:
      BoundError: more than `limit`, or they are nested deeper than 64.

    >>> x = [1, 2]
    >>> spelled([x, x])
    6
    """
    count, todo = 0, [(value, 0)]
    while todo:
        at, depth = todo.pop()
        if isinstance(at, dict):
            inside: Any = [*at, *at.values()]
        elif isinstance(at, (list, tuple, set, frozenset)):
            inside = at
        else:
            count += len(at) if isinstance(at, (str, bytes)) else 0
            continue
        count += len(inside)
        if count > limit or depth >= MAX_DEPTH:
            raise BoundError(f"a nested value has more than {limit} items, or is nested deeper than {MAX_DEPTH}")
        todo += [(x, depth + 1) for x in inside if isinstance(x, (list, tuple, dict, set, frozenset, str, bytes))]
    return count
