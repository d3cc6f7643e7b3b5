"""What a function reads from around itself: whether that has changed since, and how to put back what a trial run changed.

A function of a notebook calls helpers, uses globals and closes over objects. When one of them is replaced or changed,
what is remembered of the function no longer holds. What the function itself changes as it runs (a counter, a list that
it appends to) says nothing about the function: `settle` takes it out.
"""

from __future__ import annotations

import collections
import functools
import itertools
import operator
import os
import sys
import sysconfig
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

_CONTAINERS = (list, dict, set, collections.deque)
_ATOMS = (str, bytes, int, float, complex, bool, type(None))
_OPAQUE = (jax.Array, jax.core.Tracer, *_ATOMS)
_DEPTH = 6
_MOST = 5_000  # things that are watched; a function that reaches more is watched less closely
_LONGEST = 2_000  # entries of a container whose contents are compared
_FIXED = tuple(
    os.path.realpath(path) + os.sep
    for path in {
        *(sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")),
        os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
        os.path.dirname(jax.__file__),
    }
)


class _Array(NamedTuple):
    """What a plan takes from an array: its values may change, and it is not kept alive."""

    shape: Any
    dtype: Any


def _as_is(value: Any) -> Any:
    return value


def _planned(value: Any) -> Any:
    """What a plan takes from a value."""
    return _Array(value.shape, value.dtype) if isinstance(value, (jax.Array, np.ndarray)) else value


_MISSING = object()  # what a name stands for that is not there


class _Name:
    """A name of a namespace, of an object, or of a variable that a function closes over; and what it stood for.

    Attributes:
      look: gives what it stands for.
      put: makes it stand for something; None where that is not put back.
      seen: what is compared of a value.
    """

    __slots__ = ("look", "put", "saved", "seen")

    def __init__(self, look: Callable[[], Any], put: Callable[[Any], Any] | None, seen: Callable[[Any], Any]):
        self.look, self.put, self.seen, self.saved = look, put, seen, seen(look())

    def same(self) -> bool:
        now = self.look()
        return now is self.saved or _alike(self.seen(now), self.saved)

    def put_back(self) -> None:
        if self.put is not None and not isinstance(self.saved, types.ModuleType):
            self.put(self.saved)


def _bind(namespace: dict[str, Any], name: str, value: Any) -> None:
    if value is _MISSING:
        del namespace[name]
    else:
        namespace[name] = value


def _drop_new(attributes: dict[str, Any], names: set[str], _: Any) -> None:
    for name in attributes.keys() - names:
        del attributes[name]


def _variable(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned, or not any more
        return _MISSING


class _Contents:
    """A list, a dict, a set or a deque, and what was in it."""

    __slots__ = ("container", "saved", "seen")

    def __init__(self, container: Any, seen: Callable[[Any], Any]):
        self.container, self.seen = container, seen
        named = isinstance(container, dict)
        self.saved = {k: seen(v) for k, v in container.items()} if named else list(map(seen, container))

    def same(self) -> bool:
        now, then = self.container, self.saved
        if len(now) != len(then):
            return False
        if isinstance(now, dict):
            return all(k in then and _alike(self.seen(v), then[k]) for k, v in now.items())
        return all(map(operator.is_, now, then)) or all(map(_alike, map(self.seen, now), then))

    def put_back(self) -> None:
        self.container.clear()
        if isinstance(self.container, (dict, set)):
            self.container.update(self.saved)
        else:
            self.container.extend(self.saved)


_is_same = operator.methodcaller("same")


def _alike(one: Any, two: Any) -> bool:
    return one is two or (type(one) is type(two) and isinstance(one, (*_ATOMS, _Array)) and one == two)


class Watch:
    """What some functions and objects reach, as it is now.

    >>> width = [3]
    >>> watch = Watch([lambda: width[0]])
    >>> before = watch.changed(); width[0] = 4
    >>> before, watch.changed()
    (False, True)
    """

    def __init__(self, values: Iterable[Any], exact: bool = False):
        """Looks at what there is.

        Args:
          values: functions and objects.
          exact: whether another array of the same shape and dtype is a change, and arrays are kept: for `restore`.
        """
        self._seen: set[int] = set()
        self._as = _as_is if exact else _planned
        self._kept: list[Any] = []  # an id is unique as long as what it names lives
        self._watched: list[Any] = []
        for value in values:
            self._visit(value, _DEPTH)

    def changed(self) -> bool:
        """Whether anything is not what it was."""
        return not all(map(_is_same, self._watched))

    def settle(self) -> None:
        """Takes out what has changed: for after a run of the functions, which did that themselves."""
        self._watched = list(filter(_is_same, self._watched))

    def restore(self) -> bool:
        """Puts back what changed; returns whether anything had."""
        changed = list(itertools.filterfalse(_is_same, self._watched))
        for watched in changed:
            watched.put_back()
        return bool(changed)

    def _visit(self, value: Any, depth: int) -> None:
        if id(value) in self._seen or depth < 0 or isinstance(value, _OPAQUE) or len(self._watched) > _MOST:
            return
        self._seen.add(id(value))
        self._kept.append(value)
        if isinstance(
            value, (types.FunctionType, types.MethodType, functools.partial, staticmethod, classmethod, property)
        ):
            self._visit_callable(value, depth)
        elif isinstance(value, type):
            if _is_program_module(value.__module__):
                self._visit_class(value, depth)
        elif isinstance(value, _CONTAINERS):
            if len(value) <= _LONGEST:
                self._watched.append(_Contents(value, self._as))
                self._visit_all(value.values() if isinstance(value, dict) else value, depth - 1)
        elif isinstance(value, tuple):
            self._visit_all(value, depth - 1)
        elif not isinstance(value, types.ModuleType):
            self._visit_object(value, depth)
            self._visit(type(value), depth)

    def _watch_names(self, namespace: Any, names: Iterable[str]) -> None:
        """Watches names of a namespace; those of a class are not put back."""
        for name in names:
            put = functools.partial(_bind, namespace, name) if isinstance(namespace, dict) else None
            self._watched.append(_Name(functools.partial(namespace.get, name, _MISSING), put, self._as))

    def _visit_object(self, value: Any, depth: int) -> None:
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):  # whose number tells whether there are new ones
            put = functools.partial(_drop_new, attributes, set(attributes))
            self._watched.append(_Name(attributes.__len__, put, _as_is))
            self._watch_names(attributes, attributes)
            self._visit_all(list(attributes.values()), depth - 1)
        for name in {n for cls in type(value).__mro__ for n in _slots_of(cls)}:
            self._watched.append(_Name(functools.partial(getattr, value, name, _MISSING), None, self._as))
            self._visit(getattr(value, name, None), depth - 1)

    def _visit_all(self, values: Iterable[Any], depth: int) -> None:
        for value in values:
            self._visit(value, depth)

    def _visit_callable(self, value: Any, depth: int) -> None:
        if isinstance(value, types.FunctionType):
            for cell in value.__closure__ or ():
                self._visit_cell(cell, depth)
            if _is_program(value.__code__.co_filename):
                self._visit_names(value, depth)
                self._visit_all((value.__defaults__ or ()), depth - 1)
            self._visit(getattr(value, "__wrapped__", None), depth)
        elif isinstance(value, types.MethodType):
            if isinstance(value.__func__, types.FunctionType) and _is_program(value.__func__.__code__.co_filename):
                self._visit_all((value.__func__, value.__self__), depth)
        elif isinstance(value, functools.partial):
            self._visit_all((value.func, *value.args, *value.keywords.values()), depth)
        elif isinstance(value, property):
            self._visit_all((value.fget, value.fset), depth)
        else:
            self._visit(value.__func__, depth)

    def _visit_cell(self, cell: types.CellType, depth: int) -> None:
        if id(cell) in self._seen or _variable(cell) is _MISSING:
            return
        self._seen.add(id(cell))
        put = functools.partial(setattr, cell, "cell_contents")
        self._watched.append(_Name(functools.partial(_variable, cell), put, self._as))
        self._visit(cell.cell_contents, depth - 1)

    def _visit_names(self, function: types.FunctionType, depth: int) -> None:
        """The globals that a function names, and what it names of the program's own modules."""
        names, namespace = set(_names(function.__code__)), function.__globals__
        self._watch_names(namespace, names)
        for value in [namespace.get(name) for name in names]:
            if isinstance(value, types.ModuleType) and _is_program_module(value.__name__):
                inside = {n: vars(value)[n] for n in names & vars(value).keys()}
                self._watch_names(vars(value), inside)
                self._visit_all(inside.values(), depth - 1)
            self._visit(value, depth - 1)  # of modules, nothing more

    def _visit_class(self, cls: type, depth: int) -> None:
        own = [n for n in vars(cls) if n in ("__init__", "__call__") or not (n.startswith("__") and n.endswith("__"))]
        self._watch_names(vars(cls), own)
        self._visit_all([vars(cls)[name] for name in own], depth - 1)
        self._visit_all(cls.__bases__, depth - 1)


def _slots_of(cls: type) -> Iterable[str]:
    slots = vars(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else slots


def _names(code: types.CodeType) -> Iterator[str]:
    """All names that are not local, of a function and of those inside of it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


@functools.lru_cache(maxsize=4096)
def _is_program(file: str) -> bool:
    """Whether code is the program's own, which can change; libraries, this one too, stay as they are."""
    return not file.startswith("<frozen") and not os.path.realpath(file).startswith(_FIXED)


@functools.lru_cache(maxsize=4096)
def _is_program_module(name: str) -> bool:
    """The same of a module; one without a file is a notebook's, or built into Python."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return name.partition(".")[0] not in sys.stdlib_module_names and (file is None or _is_program(file))
