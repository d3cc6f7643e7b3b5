"""`import tensorflow` in functions of configs gives the names that are mapped here.

A Python function looks up `__import__` in the builtins of its globals. So a function whose code, or that of a function it
calls, imports TensorFlow is run as a copy with such builtins; the function itself, and everything else, stays as it is.
"""

from __future__ import annotations

import builtins as _builtins
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

from tenure.network.tf.elementwise import OWN
from tenure.network.tf.names import Namespace, tf
from tenure.network.tf.utilities import UTILITIES

_UTILITIES = Namespace("returnn.tf.util.basic", {**OWN, **UTILITIES})
_COMPAT = Namespace("returnn.tf.compat", {"v1": tf, "v2": tf})
_RETURNN_TF = Namespace("returnn.tf", {"compat": _COMPAT, "util": Namespace("returnn.tf.util", {"basic": _UTILITIES})})
MODULES: dict[str, Any] = {
    "tensorflow": tf,
    "tensorflow.compat": tf.compat,
    "tensorflow.compat.v1": tf,
    "tensorflow.compat.v2": tf,
    "TFUtil": _UTILITIES,
    "TFCompat": _COMPAT,
    "returnn.tf": _RETURNN_TF,
    "returnn.tf.compat": _COMPAT,
    "returnn.tf.util": _RETURNN_TF.util,
    "returnn.tf.util.basic": _UTILITIES,
}
"""What stands for a module, by its name."""


PROVIDES = "provides_tensorflow"  # an attribute of an `__import__` that gives what is mapped by itself


def module(name: str, from_list: Any = ()) -> Any:
    """What an import of that name gives, or None if it is no module of TensorFlow's.

    >>> module("tensorflow.compat.v1", ("v1",)) is tf, module("numpy") is None
    (True, True)
    """
    if name not in MODULES:
        return None
    if from_list:
        return MODULES[name]
    root = name.partition(".")[0]
    return MODULES.get(root) or Namespace(root, {"tf": _RETURNN_TF})


def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    """`__import__`, with what is mapped in place of TensorFlow."""
    found = module(name, fromlist) if level == 0 else None
    return _builtins.__import__(name, globals, locals, fromlist, level) if found is None else found


def builtins() -> dict[str, Any]:
    """Python's builtins with that import: the value of `__builtins__` for a config that is executed."""
    return {**vars(_builtins), "__import__": import_}


def with_tensorflow(function: Any) -> Any:
    """The function, or where it imports TensorFlow a copy of it that gets what is mapped.

    >>> def cosine(x):
    ...     import tensorflow as tf
    ...     return tf.cos(x)
    >>> with_tensorflow(cosine)(0.0), with_tensorflow(abs) is abs
    (1.0, True)
    """
    if isinstance(function, functools.partial):
        return functools.partial(with_tensorflow(function.func), *function.args, **function.keywords)
    if isinstance(function, types.MethodType):
        return types.MethodType(with_tensorflow(function.__func__), function.__self__)
    if not isinstance(function, types.FunctionType) or not _imports(function, set()):
        return function
    if getattr(getattr(function, "__builtins__", {}).get("__import__"), PROVIDES, False):
        return function
    return _Copy(function.__globals__).of(function)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _names(const)


def _cells(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is empty
            continue


def _imports(function: types.FunctionType, seen: set[int]) -> bool:
    """Whether the function, or one of those it calls by name, imports one of the modules."""
    if id(function) in seen:
        return False
    seen.add(id(function))
    names = set(_names(function.__code__))
    if names & set(MODULES):
        return True
    called = [function.__globals__.get(name) for name in names] + list(_cells(function))
    return any(isinstance(f, types.FunctionType) and _imports(f, seen) for f in called)


class _Copy:
    """Functions with other builtins, as far as they share their globals."""

    def __init__(self, known: dict[str, Any]):
        self.known = known
        self.made: dict[int, types.FunctionType] = {}
        self.globals = {**known, "__builtins__": builtins()}
        for name, value in known.items():
            if isinstance(value, types.FunctionType) and value.__globals__ is known:
                self.globals[name] = self.of(value)

    def of(self, function: types.FunctionType) -> Callable[..., Any]:
        """The copy of one function."""
        if id(function) not in self.made:
            cells = tuple(types.CellType() for _ in function.__closure__ or ())
            copy = types.FunctionType(
                function.__code__, self.globals, function.__name__, function.__defaults__, cells or None
            )
            copy.__kwdefaults__ = function.__kwdefaults__
            self.made[id(function)] = copy
            for new, old in zip(cells, function.__closure__ or (), strict=True):
                self._fill(new, old)
        return self.made[id(function)]

    def _fill(self, new: types.CellType, old: types.CellType) -> None:
        try:
            value = old.cell_contents
        except ValueError:  # it is empty
            return
        ours = isinstance(value, types.FunctionType) and value.__globals__ is self.known
        new.cell_contents = self.of(value) if ours else value
