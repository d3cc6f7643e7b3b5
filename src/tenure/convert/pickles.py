"""Pickles read as data: a machine of our own that knows containers, numbers and a few names, and calls nothing else.

Python's unpickler runs what a pickle names, and allocates what it says. This one walks over `pickletools`' opcodes; whatever
is named in the pickle becomes a `Named`, which only the functions in a table given by the caller turn into something.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tenure.convert.cursor import Cursor
from tenure.convert.errors import unsupported

Builders = Mapping[str, Callable[..., Any]]
_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": list,
}
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE",
    "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8", "SHORT_BINSTRING", "BINSTRING", "STRING",
}  # fmt: skip
_LARGEST = 1 << 20  # operations of one pickle


@dataclass
class Named:
    """Something that the pickle names, perhaps called with arguments: data, nothing more."""

    name: str
    args: tuple[Any, ...] | None = None
    state: Any = None


class Object(dict[str, Any]):
    """An object of some class, as the dict of its attributes."""

    def _build(self, state: Any) -> Object:
        self.update(table(_want(state, dict).items()))
        return self


def load(
    cursor: Cursor, builders: Builders, persistent: Callable[[Any], Any] | None = None, *, objects: bool = False
) -> Any:
    """What a pickle stands for.

    Args:
      cursor: the pickle's bytes.
      builders: "module.name" → what makes a value of the arguments.
      persistent: makes a value of what the pickle keeps outside of itself.
      objects: whether objects of any class are read, as the dicts of their attributes; their classes are never looked at.

    Raises:
      FileError: it is no pickle, or needs something that is in no table.

    >>> import pickle
    >>> load(Cursor("x.pkl", pickle.dumps({"a": (1, [2.5])})), {})
    {'a': (1, [2.5])}
    """
    machine = _Machine(cursor, builders, persistent, objects)
    data = bytes(cursor.data)
    try:
        for count, (op, arg, at) in enumerate(pickletools.genops(data)):
            cursor.at = at or 0
            if count > _LARGEST:
                raise cursor.fail(f"it has more than {_LARGEST:,} operations")
            if op.name == "STOP":
                return machine.stack[-1]
            machine.step(op.name, arg)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        if type(error).__module__.startswith("tenure"):
            raise
        raise cursor.fail(f"it is no pickle: {str(error)[:200]}") from None
    raise cursor.fail("it does not end")


class _Machine:
    """A stack, and what is to be found again."""

    def __init__(
        self, cursor: Cursor, builders: Builders, persistent: Callable[[Any], Any] | None, objects: bool
    ) -> None:
        self.cursor, self.builders, self.persistent, self.objects = cursor, builders, persistent, objects
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, op: str, arg: Any) -> None:
        """One operation."""
        if op in _VALUES:
            self.stack.append(arg)
        elif op in _CONSTANTS:
            self.stack.append(_CONSTANTS[op])
        elif op in _EMPTY:
            self.stack.append(_EMPTY[op]())
        elif op not in ("PROTO", "FRAME"):
            method = getattr(self, f"_{op.lower()}", None)
            if method is None:
                raise unsupported(self.cursor.path, f"byte {self.cursor.at:,}", f"the operation {op}")
            method(arg)

    def _since_mark(self) -> list[Any]:
        at = max(i for i, value in enumerate(self.stack) if value is _MARK)
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def _mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._since_mark()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _binput(self, arg: int) -> None:
        self.memo[arg] = self.stack[-1]

    _long_binput = _put = _binput

    def _binget(self, arg: int) -> None:
        self.stack.append(self.memo[arg])

    _long_binget = _get = _binget

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _tuple1(self, _: Any) -> None:
        self._last(1)

    def _tuple2(self, _: Any) -> None:
        self._last(2)

    def _tuple3(self, _: Any) -> None:
        self._last(3)

    def _last(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError("too little on the stack")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _list(self, _: Any) -> None:
        self.stack.append(self._since_mark())

    def _dict(self, _: Any) -> None:
        self.stack.append(self._table(self._since_mark()))

    def _append(self, _: Any) -> None:
        value = self.stack.pop()
        _want(self.stack[-1], list).append(value)

    def _appends(self, _: Any) -> None:
        items = self._since_mark()
        _want(self.stack[-1], list).extend(items)

    _additems = _appends

    def _frozenset(self, _: Any) -> None:
        self.stack.append(self._since_mark())

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _want(self.stack[-1], dict).update(table([(key, value)]))

    def _setitems(self, _: Any) -> None:
        items = self._since_mark()
        _want(self.stack[-1], dict).update(self._table(items))

    def _global(self, arg: str) -> None:
        self.stack.append(Named(".".join(arg.split(" ", 1))))

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Named(f"{_want(module, str)}.{_want(name, str)}"))

    def _reduce(self, _: Any) -> None:
        args, function = self.stack.pop(), _want(self.stack.pop(), Named)
        self.stack.append(self._call(function.name, _want(args, tuple)))

    def _newobj(self, _: Any) -> None:
        args, cls = self.stack.pop(), _want(self.stack.pop(), Named)
        known = cls.name in self.builders or not self.objects
        self.stack.append(self._call(cls.name, _want(args, tuple)) if known or args else Object())

    def _call(self, name: str, args: tuple[Any, ...]) -> Any:
        if name not in self.builders:
            raise unsupported(
                self.cursor.path,
                f"byte {self.cursor.at:,}",
                f"a call of {name[:100]!r}",
                ["pickles are read as data; save the weights as .npz or .safetensors where the file was made"],
            )
        return self.builders[name](*args)

    @staticmethod
    def _table(items: list[Any]) -> dict[Any, Any]:
        return table(zip(items[::2], items[1::2], strict=True))

    def _build(self, _: Any) -> None:
        state = self.stack.pop()
        make = getattr(self.stack[-1], "_build", None)
        if make is not None:
            self.stack[-1] = make(state)
        elif isinstance(self.stack[-1], Named):
            self.stack[-1].state = state
        elif not isinstance(self.stack[-1], dict):
            raise TypeError("a state for what has none")

    def _binpersid(self, _: Any) -> None:
        if self.persistent is None:
            raise TypeError("something outside of it is needed")
        self.stack.append(self.persistent(self.stack.pop()))


def table(pairs: Iterable[Any]) -> dict[Any, Any]:
    """A dict whose keys are texts or numbers; others could take forever to hash.

    Raises:
      TypeError: another key.
    """
    found = {}
    for key, value in pairs:
        if not isinstance(key, (str, int, float, bool, type(None))):
            raise TypeError(f"a key of the type {type(key).__name__}")
        found[key] = value
    return found


def _want(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} is needed, not {type(value).__name__}")
    return value


__all__ = ["Named", "load", "table"]
