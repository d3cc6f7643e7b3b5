"""References: the path of another slot, plus views. A reference is data; it never holds a value."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tenure.core.errors import PathSyntaxError, TenureError, ViewSyntaxError, brief, nearest
from tenure.core.notation import paths
from tenure.core.notation.functions import as_view
from tenure.core.notation.view import Shape, View, lookup
from tenure.core.notation.view import parse as parse_view

TAPS = ("weight", "stored")
T = TypeVar("T")
_LONGEST = 100_000  # characters of a reference's string
_QUOTED = re.compile(r"""(['"])(?:\\.|(?!\1).)*(\1?)""", re.DOTALL)  # to its end, or that of the text


@dataclass(frozen=True)
class Ref:
    """The slot at `path`, seen through `views`.

    Attributes:
      path: a slot's path, such as `embed/w`.
      views: applied from left to right.
      absolute: whether `path` starts at the root; else it is looked up among the borrower's siblings, then outwards.
      tap: "" for the owner's final value, "weight" for what it is before noise and dropout, "stored" for its leaf.

    >>> Ref.parse("/embed/w | transpose")
    /embed/w | transpose
    >>> Ref.parse("embed/w").T == Ref.parse("embed/w | transpose")
    True
    """

    path: str
    views: tuple[View, ...] = ()
    absolute: bool = False
    tap: str = ""

    @staticmethod
    def parse(text: Any) -> Ref:
        """A reference from its string, from `to_json`, or from a reference.

        Raises:
          PathSyntaxError, ViewSyntaxError, UnknownViewError: what is wrong with it.
        """
        if isinstance(text, Ref):
            return text
        if not isinstance(text, str):
            raise PathSyntaxError(
                f"a reference is a string such as 'embed/w | transpose', not {type(text).__name__}",
                ways=["use module.ref('w')", "use a string"],
            )
        return _parsed(text)

    @property
    def T(self) -> Ref:
        """This reference, transposed."""
        return self | "transpose"

    @property
    def weight(self) -> Ref:
        """This reference, to the value before noise and dropout."""
        return replace(self, tap="weight")

    @property
    def stored(self) -> Ref:
        """This reference, to the owner's leaf."""
        return replace(self, tap="stored")

    @property
    def address(self) -> str:
        """The path with its tap: `embed/w@weight`."""
        return f"{self.path}@{self.tap}" if self.tap else self.path

    def __or__(self, view: View | str | Callable[[Any], Any]) -> Ref:
        further = map(parse_view, pipeline(view)) if isinstance(view, str) else [as_view(view)]
        return replace(self, views=(*self.views, *further))

    def __getitem__(self, index: Any) -> Ref:
        """This reference, indexed as an array is: whole numbers, slices without a step, and `...`.

        Raises:
          ViewSyntaxError: the index is something else.

        >>> Ref.parse("att/qkv")[:, 40:80], Ref.parse("stack/w")[3]
        (att/qkv | slice(40, 80, axis=1), stack/w | index(3))
        """
        entries = index if isinstance(index, tuple) else (index,)
        dots = [i for i, entry in enumerate(entries) if entry is ...]
        slices, indices = [], []
        for i, entry in enumerate(entries):
            axis = i - len(entries) if dots and i > dots[0] else i
            try:
                if len(dots) > 1:
                    raise ViewSyntaxError("it has two '...'")
                if isinstance(entry, slice) and entry.step in (None, 1):
                    if (entry.start, entry.stop) != (None, None):
                        first = 0 if entry.start is None else entry.start
                        slices.append(lookup("slice")(first, entry.stop, axis=axis))
                elif entry is not ...:
                    indices.append((axis < 0, -abs(axis), lookup("index")(entry, axis=axis)))
            except ViewSyntaxError:
                raise ViewSyntaxError(
                    f"'{self}' is indexed with {brief(entry)}: a reference takes whole numbers, slices without a step, and '...'",
                    ways=["ref[3], ref[:, :40], ref[..., 40:80]", "another view:  ref | 'reshape(3, -1)'"],
                ) from None
        # an index takes its axis away: from the back, so that the others stay where they are
        return replace(self, views=(*self.views, *slices, *(view for *_, view in sorted(indices, key=lambda i: i[:2]))))

    def __iter__(self) -> Iterator[Any]:
        return self.__array__()

    def __str__(self) -> str:
        return " | ".join(["/" * self.absolute + self.address, *map(str, self.views)])

    __repr__ = __str__

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TenureError(
            f"the reference '{self}' is not a value",
            ways=["hand it to another module:  share={'w': module.ref('w')}", "read the value:  module.params['w']"],
        )

    def to_json(self) -> str:
        """The reference as JSON; `Ref.from_json` reads it back."""
        return json.dumps({"path": "/" * self.absolute + self.address, "views": [v.to_data() for v in self.views]})

    @staticmethod
    def from_json(text: str | dict[str, Any]) -> Ref:
        """A reference from `to_json`'s string, or from the same as data.

        Raises:
          PathSyntaxError: it is none.
          ViewSyntaxError, UnknownViewError: one of its views cannot be read.
        """
        try:
            data = json.loads(text) if isinstance(text, (str, bytes)) else text
            path, steps = data["path"], list(data.get("views", []))
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            raise PathSyntaxError(
                f"not a reference as JSON: {brief(text)}",
                ways=['write {"path": "embed/w", "views": [["transpose", {}]]}'],
            ) from None
        bare = Ref.parse(path)
        return replace(bare, views=(*bare.views, *map(View.from_json, steps)))

    def others(self) -> Iterator[Ref]:
        """The further references in its views."""
        for view in self.views:
            yield from map(Ref.parse, view.references())


@functools.lru_cache(maxsize=4096)
def _parsed(text: str) -> Ref:
    path, *steps = pipeline(text)
    path, at, tap = path.removeprefix("/").partition("@")
    if at and tap not in TAPS:
        raise PathSyntaxError(
            f"{brief(text)} taps '@{tap}', which there is not",
            near=nearest(tap, TAPS),
            ways=["'@weight': before noise and dropout", "'@stored': the owner's leaf", "neither: the final value"],
        )
    return Ref(paths.check(path, "reference"), tuple(map(parse_view, steps)), text.lstrip().startswith("/"), tap)


def follow(ref: Ref, start: Callable[[Ref], T], step: Callable[[View, T, list[T]], T]) -> T:
    """What a reference stands for, view by view: of values, of shapes, or of anything else that goes along a reference.

    Args:
      ref: the reference.
      start: what there is at a reference's slot, before the views.
      step: `step(view, found, others)`: what a view makes of `found`, and of what the references inside the view stand for.

    >>> follow(Ref.parse("a | transpose | concat('b | scale(2)')"), lambda ref: [ref.path], lambda view, x, y: sum(y, x))
    ['a', 'b']
    """
    found = start(ref)
    for view in ref.views:
        found = step(view, found, [follow(Ref.parse(other), start, step) for other in view.references()])
    return found


class NoWayBack(Exception):
    """A view without an inverse is in the way; whoever knows the slots turns it into an error that names them."""

    def __init__(self, view: View):
        super().__init__(str(view))
        self.view = view


def back(ref: Ref, value: Any, shape: Shape, dtype: Any) -> Any:
    """The value of a reference's slot for which the reference stands for `value`.

    Args:
      ref: the reference.
      value: what the reference is to stand for.
      shape, dtype: of the slot's value.

    Raises:
      NoWayBack: a view has no inverse.
    """
    inverses: list[View] = []
    for view in ref.views:
        inverse = None if view.references() else view.inverse(shape, dtype)
        if inverse is None:
            raise NoWayBack(view)
        inverses.append(inverse)
        shape, dtype = view.out(shape, dtype)
    for inverse in reversed(inverses):
        value = inverse(value)
    return value


def references(values: Any) -> tuple[str, ...]:
    """References as strings, in the form in which they print. Raises `TypeError` for anything that is no list of them."""
    if isinstance(values, str) or not values:
        raise TypeError("references are needed")
    return tuple(str(Ref.parse(v)) for v in values)


def pipeline(text: str) -> list[str]:
    """`a | f('x|y') | g` → its steps: split at bars outside of quotes and brackets.

    Raises:
      ViewSyntaxError: a quote or a bracket without its partner.

    >>> pipeline("a | f('x|y') | g")
    ['a', "f('x|y')", 'g']
    """
    if len(text) > _LONGEST:
        raise ViewSyntaxError(
            f"{brief(text)} is no reference: it has more than {_LONGEST:,} characters",
            ways=["register a view of your own"],
        )
    bare = _QUOTED.sub(lambda found: "_" * len(found[0]) if found[2] else found[1], text)
    steps, depth, start = [], 0, 0
    for i, c in enumerate(bare):
        depth += (c in "([") - (c in ")]")
        if c == "|" and depth == 0:
            steps.append(text[start:i].strip())
            start = i + 1
    if depth or "'" in bare or '"' in bare:
        raise ViewSyntaxError(
            f"{brief(text)} has a quote or a bracket without its partner",
            ways=["write it like 'embed/w | slice(0, 4)'"],
        )
    return [*steps, text[start:].strip()]
