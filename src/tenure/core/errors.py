"""Errors as user interface: the rule that broke, both parties, the nearest names, numbered ways out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Party:
    """One side of a broken rule: what it is, where it was written, and what it looks like.

    Attributes:
      role: "user", "owner", "first", "second", …
      path: the slot's or module's absolute path.
      what: shape and dtype, or whatever else it is.
      site: "file.py:31", or "" when nobody in the program asked (a key of a params dict).
      asker: the module that asked for it.
      through: the reference or views in between.
    """

    role: str
    path: str
    what: str = ""
    site: str = ""
    asker: str = ""
    through: str = ""

    def cells(self) -> tuple[str, ...]:
        """The columns of its row."""
        return self.role, self.path, self.what, self.asker, self.site, self.through and f"through: {self.through}"


def brief(value: Any, size: int = 80) -> str:
    """`value` as a message shows it: whatever it is, at most `size` characters, without addresses in memory.

    >>> brief("embed/w"), brief([0] * 100, 12), brief(lambda x: x)
    ("'embed/w'", '[0, 0, 0… 0]', '<lambda>')
    """
    try:
        text = value.__name__ if isinstance(value, type) else repr(value)
    except Exception:  # an integer too long to print, nested too deeply, a broken __repr__
        text = f"⟨{type(value).__name__}⟩"
    if " at 0x" in text:
        text = getattr(value, "__name__", type(value).__name__)
    return _cut(text, size)


def _cut(text: str, size: int) -> str:
    head, tail = (size - 1) * 3 // 4, size - 1 - (size - 1) * 3 // 4
    return text if len(text) <= size else f"{text[:head]}…{text[-tail:]}"


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The names most like `name`, best first; the last segment counts on its own too.

    >>> nearest("embd/w", ["embed/w", "head/b"])
    ['embed/w']
    >>> nearest("bv", ["fw", "bw"])
    ['bw']
    """
    known, name = list(dict.fromkeys(known)), name[:200]
    found = difflib.get_close_matches(name, known, n=count, cutoff=0.6 if len(name) > 3 else 0.5)
    if len(found) < count and "/" in name:
        tail = name.rsplit("/", 1)[-1]
        found += [k for k in known if k.rsplit("/", 1)[-1] == tail and k not in found]
    return found[:count]


class TenureError(ValueError):
    """Base of all errors of this package: a rule was broken. The message names the rule, both parties and the ways out.

    >>> import tenure as tn
    >>> try:
    ...     tn.Ref.parse("embed/w | transpos")
    ... except tn.TenureError as e:
    ...     print(e.near)
    ('transpose',)
    """

    def __init__(self, rule: str, *, parties: Sequence[Party] = (), near: Sequence[str] = (), ways: Sequence[str] = ()):
        self.rule, self.parties, self.near, self.ways = rule, tuple(parties), tuple(near), tuple(ways)
        super().__init__(self.render())

    def add(self, party: Party) -> None:
        """One more party to the message, told by whoever knows more than the place where the rule broke."""
        self.parties = (*self.parties, party)
        self.args = (self.render(),)

    def again(self, rule: str = "", parties: Sequence[Party] = ()) -> TenureError:
        """The same error with another rule, or other parties, as told by whoever knows more."""
        return type(self)(rule or self.rule, parties=parties or self.parties, near=self.near, ways=self.ways)

    def render(self) -> str:
        """The message: a head line, a row for each party, the nearest names, the ways out."""
        lines = [_cut(self.rule, 600)]
        rows = [[_cut(cell, 160) for cell in party.cells()] for party in self.parties]
        columns = [column for column in zip(*rows, strict=True) if any(column)]
        widths = [max(map(len, column)) for column in columns]
        for row in zip(*columns, strict=True):
            lines.append("  " + "  ".join(map(str.ljust, row, widths)).rstrip())
        if self.near:
            lines.append("  nearest names: " + ", ".join(self.near))
        lines += [f"  {i}. {_cut(way, 600)}" for i, way in enumerate(self.ways, 1)]
        return "\n".join(lines)


class PathSyntaxError(TenureError):
    """A path, a reference or a glob that cannot be read."""


class ViewSyntaxError(TenureError):
    """A view string that cannot be read, or a view with arguments it does not take."""


class UnknownViewError(TenureError):
    """A view name that nobody registered."""


class ViewShapeError(TenureError):
    """What comes out of the view is not the shape, or dtype, that the slot needs."""


class NotSerialisableError(TenureError):
    """A plain Python callable used as a view has no form as data."""


class UnknownOwnerError(TenureError):
    """A reference to a parameter that nobody owns."""


class CycleError(TenureError):
    """Parameters that borrow from each other in a loop."""


class UnusedTieError(TenureError):
    """A tie, or a share, for a parameter that no module asked for."""


class ForbiddenSlotError(TenureError):
    """A module asked for a parameter that its `share` forbids to create."""


class UndeclaredError(TenureError):
    """`borrow` without a declaration in an enclosing module."""


class DeclaredTwiceError(TenureError):
    """Two declarations of one name in one scope."""


class PathConflictError(TenureError):
    """Two different instances ask for one path."""


class RequestConflictError(TenureError):
    """Two requests for one slot that disagree on shape, dtype or initialiser."""


class UnplannedShareError(TenureError):
    """A run shares a parameter that the plan of its model owns: what is shared depends on more than the arguments."""


class GivenTooLateError(TenureError):
    """A slot borrows from a computed value that is only given further on in the code."""


class OutsideTransformError(TenureError):
    """A module, or a function on parameters, used outside of `transform`."""


class LeakedTracerError(TenureError):
    """A traced value outlived the function in which it was made."""


class CachedTransformError(TenureError):
    """A module built inside a JAX transformation that caches, so that a later call would skip it."""


class MissingParameterError(TenureError):
    """The params (or state) handed to `apply` lack what the model asks for."""


class ParameterShapeError(TenureError):
    """The params handed to `apply` hold another shape than the model asks for."""


class ParameterDtypeError(TenureError):
    """An initialiser, or the params handed to `apply`, hold numbers of another kind than the model asks for."""


class BorrowedInParamsError(TenureError):
    """The params handed to `apply` hold a leaf for a slot that is borrowed."""


class UnknownLeafError(TenureError):
    """The params handed to `apply` hold leaves that the model lacks."""


class TreeError(TenureError):
    """Trees `{module: {name: array}}` that are none, or that do not go together."""


class UnknownSlotError(TenureError):
    """A question to the ledger about a path that it does not have."""


class RuleError(TenureError):
    """A rule (mask, label, sharding, placement) written for a borrower, or for nothing."""


class AxesError(TenureError):
    """Logical axis names that do not fit the shape, or disagree between owner and user."""


class TieValueError(TenureError):
    """Two different values for one tied parameter."""


class OptimizerStateError(TenureError):
    """A leaf of an optimizer's state that has no right counterpart once owners come or go."""


class NoInverseError(TenureError):
    """A value can not be moved back through a view that has no inverse."""


class StageSyntaxError(TenureError):
    """A stage that cannot be read, or with options that it does not take."""


class UnknownStageError(TenureError):
    """A stage name that nobody registered."""


class StageOrderError(TenureError):
    """Stages in an order that makes no sense, or two of one name."""


class StageShapeError(TenureError):
    """A stage that does not fit its parameter."""


class BorrowerStageError(TenureError):
    """A stage on a borrower that its owner does not have."""


class UnusedStageError(TenureError):
    """A rule for stages that selects nothing."""


class LayerStackError(TenureError):
    """A layer stack whose size is no number of layers, or whose layer gives what the next one cannot take."""


class ShardingError(TenureError):
    """An array that lies on a mesh in a way from which JAX cannot tell how a result lies."""


class UnboundAxisError(TenureError):
    """A model that averages over a mapped axis, applied where nobody maps it."""


class NestingError(TenureError):
    """Modules nested deeper than Python calls functions inside one another."""


class MergeError(TenureError):
    """A stage that can not be merged into what is stored."""


class MissingRNGError(TenureError):
    """A random key was asked for, and none was given."""


class NonEmptyStateError(TenureError):
    """State used under `transform`, which has none."""


class StateError(TenureError):
    """State used in a way that a transformation can not follow."""
