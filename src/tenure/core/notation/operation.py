"""Terms: named, frozen things with arguments, such as views and stages, that are written as objects, strings or data.

`slice(0, 4, axis=1)`, `["slice", {"start": 0, "stop": 4, "axis": 1}]` and `Slice(0, 4, axis=1)` are the same term. Strings
are parsed as Python expressions with `ast`, and only literals are taken from them; nothing is evaluated.
"""

from __future__ import annotations

import ast
import functools
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

from tenure.core.errors import TenureError, brief, nearest
from tenure.core.notation import converters

C = TypeVar("C", bound="type[Operation]")
_LONGEST = 10_000  # characters of a term's string


class Misfit(Exception):
    """A view or a stage does not fit a shape or dtype. Whoever knows the slots turns it into an error that names them."""


class Operation:
    """A name and arguments. Immutable; equal if both are.

    A family of terms (views, stages) sets `word`, `registry`, the errors and the examples for its messages. Its members set
    `name` and `signature` (argument name → converter).
    """

    word: ClassVar[str] = "term"
    registry: ClassVar[dict[str, Any]] = {}
    unreadable: ClassVar[type[TenureError]] = TenureError
    unknown: ClassVar[type[TenureError]] = TenureError
    example: ClassVar[str] = ""
    example_data: ClassVar[str] = ""
    own_way: ClassVar[str] = ""
    home: ClassVar[str] = ""  # the module that defines the family's members, where that is another one

    name: ClassVar[str] = ""
    signature: ClassVar[dict[str, Callable[[Any], Any]]] = {}
    variadic: ClassVar[bool] = False  # the first entry of `signature` takes all positional arguments
    sizes: ClassVar[bool] = False  # takes further integers by keyword
    defaults: ClassVar[dict[str, Any]] = {}
    arguments: Mapping[str, Any]

    def __init__(self, /, *args: Any, **kwargs: Any):
        self.arguments = MappingProxyType(_bind(type(self), args, kwargs))

    def to_data(self) -> list[Any]:
        """`[name, {argument: value}]`, plain data."""
        return [self.name, {k: _listed(v) for k, v in self.arguments.items()}]

    def to_json(self) -> str:
        """The term as JSON; `from_json` of its family reads it back."""
        return json.dumps(self.to_data())

    @classmethod
    def from_json(cls, text: str | Sequence[Any]) -> Self:
        """A view (of `View`), or a stage (of `Stage`), from `to_json`'s string, or from the same as data.

        Raises:
          ViewSyntaxError, UnknownViewError, StageSyntaxError, UnknownStageError: what is wrong with it.

        >>> import tenure as tn
        >>> tn.views.View.from_json(tn.views.Transpose().to_json()), tn.stages.Stage.from_json('["noise", {"std": 0.1}]')
        (transpose, noise(0.1))
        """
        return from_data(cls, text)

    def __str__(self) -> str:
        parts: list[str] = []
        by_position = True
        for key, value in self.arguments.items():
            if self.variadic and key == next(iter(self.signature)):
                parts += map(repr, value)
            elif key in self.defaults and value == self.defaults[key]:
                by_position = False
            elif key in self.signature and key != "axis" and by_position:
                parts.append(repr(value))
            else:
                parts.append(f"{key}={value!r}")
        return f"{self.name}({', '.join(parts)})" if parts else self.name

    def __repr__(self) -> str:
        return str(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operation) and type(self) is type(other) and self.arguments == other.arguments

    def __hash__(self) -> int:
        return hash((self.name, *self.arguments.items()))

    def __reduce__(self) -> Any:
        return from_data, (family(type(self)), self.to_data())


def family(cls: type[Operation]) -> type[Operation]:
    """The class that a term's registry belongs to: the views, or the stages."""
    return next(c for c in reversed(cls.__mro__) if "registry" in c.__dict__ and c is not Operation)


def from_data(kind: type[Operation], text: str | Sequence[Any]) -> Any:
    """A term from `to_json`'s string, or from the same as data.

    Raises:
      kind.unreadable, kind.unknown: as in `parse`.
    """
    try:
        data: Any = json.loads(text) if isinstance(text, (str, bytes)) else text
        name, given = data
        keywords = {k: v for k, v in dict(given).items() if isinstance(k, str)}
        fits = len(keywords) == len(given)
    except (ValueError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise kind.unreadable(f"not a {kind.word} as JSON: {brief(text)}", ways=[f"write {kind.example_data}"])
    return lookup(kind, name)(**keywords)


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, tuple) else value


def _bind(cls: type[Operation], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name, converted; with the defaults filled in."""
    names = list(cls.signature)
    if cls.variadic:
        args = [args] if args or names[0] not in kwargs else []
    if len(args) > len(names):
        raise _bad_arguments(cls, f"takes {len(names)} argument{'s' * (len(names) != 1)}, not {len(args)}")
    given = dict(zip(names, args, strict=False))
    if twice := sorted(given.keys() & kwargs.keys()):
        raise _bad_arguments(cls, f"is given {twice[0]!r} twice")
    given |= kwargs
    further = sorted(given.keys() - cls.signature.keys())
    if further and not cls.sizes:
        raise _bad_arguments(cls, f"does not take {brief(further[0])}", near=nearest(further[0], names))
    if missing := [n for n in names if n not in given and n not in cls.defaults]:
        raise _bad_arguments(cls, f"lacks its argument {missing[0]!r}")
    bound = {}
    for key in [*names, *further]:
        value = given[key] if key in given else cls.defaults[key]
        try:
            bound[key] = cls.signature.get(key, converters.integer)(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as e:
            raise _bad_arguments(cls, f"cannot take {key[:40]}={brief(value, 40)}: {e}") from None
    return bound


def _bad_arguments(cls: type[Operation], what: str, near: Sequence[str] = ()) -> TenureError:
    form = [f"*{n}" if cls.variadic and not i else n for i, n in enumerate(cls.signature)]
    form = [f"{n}={cls.defaults[n]!r}" if n in cls.defaults else n for n in form] + ["**sizes"] * cls.sizes
    return cls.unreadable(
        f"{cls.word} '{cls.name}' {what}",
        near=near,
        ways=[f"write {cls.name}({', '.join(form)})" if form else f"write {cls.name}"],
    )


def define(cls: C) -> C:
    """Class decorator: the term is found under its name from now on."""
    cls.registry.setdefault(cls.name, cls)
    return cls


def lookup(kind: type[Operation], name: Any) -> Any:
    """The class of that name in a family.

    Raises:
      kind.unknown: nobody registered it; the nearest names are in the message.
    """
    if kind.home:
        importlib.import_module(kind.home)
    cls = kind.registry.get(name) if isinstance(name, str) else None
    if cls is None:
        raise kind.unknown(
            f"there is no {kind.word} {brief(name)}",
            near=nearest(name, kind.registry) if isinstance(name, str) else (),
            ways=[f"{kind.word}s: " + ", ".join(sorted(kind.registry)), kind.own_way],
        )
    return cls


def parse(kind: type[Operation], text: str) -> Any:
    """One term of a family from its string.

    Raises:
      kind.unreadable: it cannot be read, or the arguments are wrong.
      kind.unknown: there is no term of that name.
    """
    read: Callable[..., Any] = _parsed if isinstance(text, str) else _parsed.__wrapped__
    return read(kind, text)


@functools.lru_cache(maxsize=4096)  # models write the same few strings for many layers
def _parsed(kind: type[Operation], text: str) -> Any:
    try:
        name, args, kwargs = _read(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as e:
        why = e.msg if isinstance(e, SyntaxError) else str(e)
        raise kind.unreadable(f"{brief(text)} is not a {kind.word}: {why}", ways=[kind.example]) from None
    return lookup(kind, name)(*args, **kwargs)


def _read(text: str) -> tuple[str, list[Any], dict[Any, Any]]:
    """Name, arguments, keyword arguments."""
    if not isinstance(text, str):
        raise TypeError(f"a string is needed, not {type(text).__name__}")
    if not text.strip():
        raise ValueError("it is empty")
    if len(text) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST:,} characters")
    node = ast.parse(text.strip(), mode="eval").body
    call = node if isinstance(node, ast.Call) else ast.Call(func=node, args=[], keywords=[])
    if not isinstance(call.func, ast.Name):
        raise ValueError("a name, or a name with arguments, is needed")
    keywords = {k.arg: _value(k.value) for k in call.keywords}
    if None in keywords:
        raise ValueError("'**' has no place in it")
    if len(keywords) < len(call.keywords):
        raise ValueError("an argument is given twice")
    return call.func.id, [_value(a) for a in call.args], keywords


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return node.id
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ValueError("its arguments must be numbers, names, strings, or lists of these") from None
