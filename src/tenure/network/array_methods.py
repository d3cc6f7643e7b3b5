"""Methods that TensorFlow's arrays have and JAX's lack: `x.get_shape()`, `x.set_shape(…)`.

Python functions of configs call them on arrays. JAX has no public way to add a method to arrays and tracers, so they are there
only while such a function runs (`taught`); the interpreter of expressions asks `METHODS` itself.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np


class TensorShape(tuple[Any, ...]):
    """The shape of an array, with TensorFlow's names for what it is asked.

    >>> TensorShape([2, None]).ndims, TensorShape((2, 3)).as_list()
    (2, [2, 3])
    """

    __slots__ = ()
    __expression_names__ = frozenset({"as_list", "count", "dims", "index", "ndims", "num_elements", "rank"})

    def __new__(cls, sizes: Any = ()) -> TensorShape:
        """The shape of these sizes, None where one is not known."""
        return super().__new__(cls, sizes)

    @property
    def ndims(self) -> int:
        """How many axes there are."""
        return len(self)

    rank = ndims

    @property
    def dims(self) -> list[Any]:
        """The sizes."""
        return list(self)

    as_list = lambda self: list(self)  # noqa: E731

    def num_elements(self) -> int | None:
        """The product of the sizes, if all are known."""
        total = 1
        for n in self:
            if n is None:
                return None
            total *= n
        return total


def _get_shape(x: Any) -> TensorShape:
    return TensorShape(x.shape)


def _set_shape(x: Any, shape: Any) -> None:
    """Says nothing that is not known."""


METHODS: dict[str, Callable[..., Any]] = {"get_shape": _get_shape, "set_shape": _set_shape}


class Known(np.ndarray):
    """A known array with TensorFlow's methods; as in TensorFlow, `x += 1` makes another one.

    >>> i = Known.of(3, "int32")
    >>> i.get_shape().ndims, int(i + 1), type(i + 1).__name__
    (0, 4, 'Known')
    """

    get_shape, set_shape = _get_shape, _set_shape

    @classmethod
    def of(cls, value: Any, dtype: Any) -> Known:
        """This value."""
        return np.array(value, dtype).view(cls)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"):
    setattr(Known, f"__i{_name}__", getattr(np.ndarray, f"__{_name}__"))

_lock = threading.Lock()
_depth = 0


@contextlib.contextmanager
def taught() -> Iterator[None]:
    """Within, arrays have TensorFlow's methods too."""
    global _depth
    with _lock:
        _depth += 1
        if _depth == 1:
            _teach()
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _forget()


def _holders() -> tuple[type, type, Any]:
    """The class of arrays, the class whose attributes tracers show, and how it marks a method."""
    from jax._src.array import ArrayImpl
    from jax._src.core import aval_method

    return ArrayImpl, jax.core.ShapedArray, aval_method


def _teach() -> None:
    arrays, shapes, as_method = _holders()
    for name, method in METHODS.items():
        setattr(arrays, name, method)
        setattr(shapes, name, as_method(method))


def _forget() -> None:
    for holder in _holders()[:2]:
        for name in METHODS:
            delattr(holder, name)
