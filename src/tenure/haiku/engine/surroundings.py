"""What a function can change around itself: found before a trial run, and put back after it.

A trial run must leave no trace. Lists, dicts and sets that a function reaches through its closure, its globals or the
object that it is a method of are compared afterwards, and restored if they changed.
"""

from __future__ import annotations

import collections
import dis
import functools
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax

_CONTAINERS = (list, dict, set, collections.deque)
_OPAQUE = (type, types.ModuleType, jax.Array, jax.core.Tracer, str, bytes, int, float, tuple)
_DEPTH = 3


class Surroundings:
    """What some functions reach, as it is now."""

    def __init__(self, functions: Iterable[Any]):
        self._seen: set[int] = set()
        self._saved: list[tuple[Any, Any, Callable[[Any, Any], None]]] = []
        for function in functions:
            self._visit(function, _DEPTH)

    def _visit(self, value: Any, depth: int) -> None:
        if id(value) in self._seen or depth < 0 or isinstance(value, _OPAQUE) or value is None:
            return
        self._seen.add(id(value))
        if isinstance(value, _CONTAINERS):
            self._saved.append((value, _contents(value), _refill))
        elif isinstance(value, types.FunctionType):
            for cell in value.__closure__ or ():
                self._visit_cell(cell, depth)
            for inner in _used_globals(value):
                self._visit(inner, depth - 1)
            self._saved += [(_Binding(value.__globals__, n), None, _Binding.put_back) for n in _set_globals(value)]
            self._visit(getattr(value, "__wrapped__", None), depth)
        elif isinstance(value, types.MethodType):
            self._visit(value.__func__, depth)
            self._visit(value.__self__, depth - 1)
        elif isinstance(value, functools.partial):
            for inner in (value.func, *value.args, *value.keywords.values()):
                self._visit(inner, depth - 1)
        elif isinstance(getattr(value, "__dict__", None), dict):
            self._visit(value.__dict__, depth)
            for inner in list(value.__dict__.values()):
                self._visit(inner, depth - 1)

    def _visit_cell(self, cell: Any, depth: int) -> None:
        try:
            value = cell.cell_contents
        except ValueError:  # not assigned yet
            return
        if id(cell) not in self._seen:
            self._seen.add(id(cell))
            self._saved.append((cell, value, _set_cell))
            self._visit(value, depth - 1)

    def restore(self) -> bool:
        """Puts back what changed; returns whether anything had."""
        changed = False
        for target, saved, put_back in self._saved:
            if not _same(target, saved):
                put_back(target, saved)
                changed = True
        return changed


def _used_globals(function: types.FunctionType) -> Iterator[Any]:
    """The program's functions and containers that a function names."""
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, _CONTAINERS) or (
            isinstance(value, types.FunctionType) and value.__globals__ is function.__globals__
        ):
            yield value


def _set_globals(function: types.FunctionType) -> Iterator[str]:
    """The global names that a function assigns to."""
    return (i.argval for i in dis.get_instructions(function) if i.opname == "STORE_GLOBAL")


class _Binding:
    """A global name, and what it stands for."""

    def __init__(self, names: dict[str, Any], name: str):
        self.names, self.name, self.value = names, name, names.get(name, self)

    def same(self) -> bool:
        return self.names.get(self.name, self) is self.value

    def put_back(self, _: Any) -> None:
        if self.value is self:
            del self.names[self.name]
        else:
            self.names[self.name] = self.value


def _contents(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else list(value)


def _same(target: Any, saved: Any) -> bool:
    if isinstance(target, _Binding):
        return target.same()
    if isinstance(target, types.CellType):
        return target.cell_contents is saved
    if isinstance(target, dict):
        return len(target) == len(saved) and all(k in saved and v is saved[k] for k, v in target.items())
    return len(target) == len(saved) and all(a is b for a, b in zip(target, saved, strict=True))


def _refill(target: Any, saved: Any) -> None:
    target.clear()
    if isinstance(target, (dict, set)):
        target.update(saved)
    else:
        target.extend(saved)


def _set_cell(cell: Any, saved: Any) -> None:
    cell.cell_contents = saved
