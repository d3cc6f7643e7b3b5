"""The view: one step between an owner's value and a borrower's. Named, frozen, checked, and plain data."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import jax

from tenure.core import arguments
from tenure.core.errors import NotSerialisableError, UnknownViewError, ViewSyntaxError, brief, nearest

Shape = tuple[int, ...]
Axes = tuple[str | None, ...]
V = TypeVar("V", bound="type[View]")

registry: dict[str, type[View]] = {}
_LONGEST = 10_000  # characters of a view's string


class Misfit(Exception):
    """The view does not fit the shape; whoever knows both parties turns this into an error that names them."""


class View:
    """One step between an owner's value and a borrower's. Immutable; equal if its name and arguments are.

    Subclasses set `name` and `signature` (argument name → converter), and define `__call__` and `shape`.

    >>> from tenure.core import views
    >>> views.Slice(0, 4), views.Slice(0, 4, axis=0) == views.parse("slice(0, stop=4)")
    (slice(0, 4), True)
    """

    name: ClassVar[str] = ""
    signature: ClassVar[dict[str, Callable[[Any], Any]]] = {}
    variadic: ClassVar[bool] = False  # the first entry of `signature` takes all positional arguments
    sizes: ClassVar[bool] = False  # takes further integers by keyword
    defaults: ClassVar[dict[str, Any]] = {}
    arguments: Mapping[str, Any]

    def __init__(self, /, *args: Any, **kwargs: Any):
        self.arguments = MappingProxyType(_bind(type(self), args, kwargs))

    def __call__(self, x: jax.Array) -> jax.Array:
        """The borrower's value."""
        raise NotImplementedError

    def shape(self, shape: Shape) -> Shape:
        """The borrower's shape. Raises `Misfit` where the view cannot be applied."""
        raise NotImplementedError

    def dtype(self, dtype: Any) -> Any:
        """The borrower's dtype."""
        return dtype

    def out(self, shape: Shape, dtype: Any) -> tuple[Shape, Any]:
        """The borrower's shape and dtype."""
        return self.shape(shape), self.dtype(dtype)

    def axes(self, axes: Axes) -> Axes:
        """The borrower's axis names; `None` for an axis that has no single counterpart."""
        return axes

    def inverse(self, shape: Shape, dtype: Any) -> View | None:
        """The view that leads back to an owner of this shape and dtype, or None."""
        return None

    def to_data(self) -> list[Any]:
        """`[name, {argument: value}]`, plain data."""
        return [self.name, {k: _listed(v) for k, v in self.arguments.items()}]

    def to_json(self) -> str:
        """The view as JSON; `View.from_json` reads it back."""
        return json.dumps(self.to_data())

    @staticmethod
    def from_json(text: str | Sequence[Any]) -> View:
        """A view from `to_json`'s string, or from the same as data.

        Raises:
          ViewSyntaxError, UnknownViewError: as in `parse`.

        >>> from tenure.core import views
        >>> views.View.from_json(views.Transpose().to_json())
        transpose
        """
        try:
            data: Any = json.loads(text) if isinstance(text, (str, bytes)) else text
            name, given = data
            keywords = {k: v for k, v in dict(given).items() if isinstance(k, str)}
            fits = len(keywords) == len(given)
        except (ValueError, TypeError, RecursionError):
            fits = False
        if not fits:
            raise ViewSyntaxError(f"not a view as JSON: {brief(text)}", ways=['write ["transpose", {}]'])
        return lookup(name)(**keywords)

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

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and type(self) is type(other) and self.arguments == other.arguments

    def __hash__(self) -> int:
        return hash((self.name, *self.arguments.items()))

    def __reduce__(self) -> Any:
        return View.from_json, (self.to_data(),)


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, tuple) else value


def _bind(cls: type[View], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
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
    if missing := [n for n in names if n not in given and n not in cls.defaults]:
        raise _bad_arguments(cls, f"lacks its argument {missing[0]!r}")
    further = sorted(given.keys() - cls.signature.keys())
    if further and not cls.sizes:
        raise _bad_arguments(cls, f"does not take {brief(further[0])}", near=nearest(further[0], names))
    bound = {}
    for key in [*names, *further]:
        value = given[key] if key in given else cls.defaults[key]
        try:
            bound[key] = cls.signature.get(key, arguments.integer)(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as e:
            raise _bad_arguments(cls, f"cannot take {key[:40]}={brief(value, 40)}: {e}") from None
    return bound


def _bad_arguments(cls: type[View], what: str, near: Sequence[str] = ()) -> ViewSyntaxError:
    form = [f"*{n}" if cls.variadic and not i else n for i, n in enumerate(cls.signature)]
    form = [f"{n}={cls.defaults[n]!r}" if n in cls.defaults else n for n in form] + ["**sizes"] * cls.sizes
    return ViewSyntaxError(
        f"view '{cls.name}' {what}",
        near=near,
        ways=[f"write {cls.name}({', '.join(form)})" if form else f"write {cls.name}"],
    )


def define(cls: V) -> V:
    """Class decorator: the view is found under its name from now on."""
    registry.setdefault(cls.name, cls)
    return cls


def lookup(name: Any) -> type[View]:
    """The view class of that name.

    Raises:
      UnknownViewError: nobody registered it; the nearest names are in the message.
    """
    cls = registry.get(name) if isinstance(name, str) else None
    if cls is None:
        raise UnknownViewError(
            f"there is no view {brief(name)}",
            near=nearest(name, registry) if isinstance(name, str) else (),
            ways=["views: " + ", ".join(sorted(registry)), "register your own: tn.views.register(name, fn)"],
        )
    return cls


def not_serialisable(shown: str) -> NotSerialisableError:
    """The error of a Python function where data is needed."""
    return NotSerialisableError(
        f"the view {shown} is a Python function, which has no form as data",
        ways=["register it under a name: tn.views.register('my_view', fn)", "use a named view"],
    )


def parse(text: str) -> View:
    """One view from its string.

    >>> from tenure.core import views
    >>> views.parse("slice(0, 4, axis=1)")
    slice(0, 4, axis=1)

    Raises:
      ViewSyntaxError: it cannot be read, or the arguments are wrong.
      UnknownViewError: there is no view of that name.
      NotSerialisableError: it is how a plain Python function is shown.
    """
    if isinstance(text, str) and text.strip().startswith("⟨"):
        raise not_serialisable(brief(text.strip()).strip("'"))
    try:
        name, args, kwargs = _read(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as e:
        why = e.msg if isinstance(e, SyntaxError) else str(e)
        raise ViewSyntaxError(
            f"{brief(text)} is not a view: {why}", ways=["write it like 'transpose' or 'slice(0, 4, axis=1)'"]
        ) from None
    return lookup(name)(*args, **kwargs)


def _read(text: str) -> tuple[str, list[Any], dict[str, Any]]:
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
    keywords = {_keyword(k): _value(k.value) for k in call.keywords}
    if len(keywords) < len(call.keywords):
        raise ValueError("an argument is given twice")
    return call.func.id, [_value(a) for a in call.args], keywords


def _keyword(node: ast.keyword) -> str:
    if node.arg is None:
        raise ValueError("'**' has no place in it")
    return node.arg


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return node.id
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ValueError("its arguments must be numbers, names, strings, or lists of these") from None
