"""Dimensions: what an axis means. Two axes match because they have one dim, never because of where they stand.

A dim is static (it has a size) or dynamic; the length of a dynamic one, a number for each sequence, lives with the run
(`sizes.py`), so that one dim serves every batch. Arithmetic gives derived dims, which are equal if their expressions are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from tenure.core.errors import TenureError

_ids = itertools.count()

BATCH, SPATIAL, FEATURE, BEAM = "batch", "spatial", "feature", "beam"


_HASH = 0  # of all dims: any two may be declared the same later, and a hash must never change


class Dim:
    """The meaning of an axis.

    Attributes:
      name: for people.
      kind: "batch", "spatial", "feature", or "beam" for the hypotheses of a search.
      size: the number of entries, or None: dynamic.
      auto: made by a layer from a number (`n_out`), so that another of the same size may stand for it.
      op: how it was derived: (name, *operands), operands being dims and ints.
      capacity: an upper bound of a dynamic dim, for programs that are compiled.
      match_priority: among equal dims of one tensor, the highest is the one that is meant.

    >>> time, feature = Dim(None, "time"), Dim(3, "feature", kind="feature")
    >>> (time + 2) - 2 == time, time + 2 == time + 2, time + 2 == time
    (True, True, False)
    >>> (feature * 2).size, feature.ceildiv(2).size
    (6, 2)
    """

    __slots__ = ("_id", "_same", "auto", "capacity", "kind", "match_priority", "name", "op", "size", "special")

    def __init__(
        self,
        size: int | None,
        name: str = "dim",
        *,
        kind: str = SPATIAL,
        auto: bool = False,
        op: tuple[Any, ...] | None = None,
        capacity: int | None = None,
        match_priority: int = 0,
        special: bool = False,
    ):
        """A new dim, which is equal to no other until it is declared the same.

        Args:
          size: the number of entries; None for a dynamic dim, whose lengths belong to a run.
          name: for people.
          kind: "batch", "spatial", "feature" or "beam".
          auto: whether another dim of the same size may stand for it.
          op: how it was derived.
          capacity: an upper bound of a dynamic dim.
          match_priority: among equal dims of one tensor, the highest is the one that is meant.
          special: whether only itself matches it, as the dim of one step and those of hypotheses.
        """
        self.size, self.name, self.kind, self.auto, self.op = size, name, kind, auto, op
        self.capacity, self.match_priority, self.special = capacity, match_priority, special
        self._same: Dim | None = None
        self._id = next(_ids)

    def __copy__(self) -> Dim:
        return self  # a copy of what names a dim, such as a dictionary of layers, means that dim

    def __deepcopy__(self, memo: Any) -> Dim:
        return self

    def __reduce__(self) -> Any:
        for name in ("batch_dim", "single_step_dim"):  # there is one of each
            if globals()[name] is self:
                return name
        return _new, (), {name: getattr(self, name) for name in self.__slots__ if name != "_id"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    @property
    def root(self) -> Dim:
        """The dim that stands for all that were declared the same."""
        dim = self
        while dim._same is not None:
            dim = dim._same
        return dim

    def _key(self) -> Any:
        """What tells a root from other roots."""
        if self.kind == BATCH and not self.special and self.op is None:
            return BATCH
        return self.op if self.op is not None else self._id

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, Dim):
            return self is other
        one, two = self.root, other.root
        return one is two or one._key() == two._key()

    def __hash__(self) -> int:
        return _HASH

    def __repr__(self) -> str:
        root = self.root
        size = f"({root.size})" if root.size is not None else ""
        return f"{self.name}{size}"

    @property
    def is_batch(self) -> bool:
        return self.kind == BATCH

    @property
    def is_feature(self) -> bool:
        return self.kind == FEATURE

    @property
    def is_spatial(self) -> bool:
        return self.kind == SPATIAL

    @property
    def is_beam(self) -> bool:
        """Whether it counts the hypotheses of a search."""
        return self.kind == BEAM

    @property
    def is_plain_batch(self) -> bool:
        """Whether it is the batch that the network is fed, and none that axes were merged into."""
        return self.is_batch and self.root.op is None and self.root.size is None

    @property
    def is_dynamic(self) -> bool:
        """Whether it has no size of its own, and is not the batch."""
        return self.root.size is None and not self.is_batch

    def declare_same_as(self, other: Dim) -> None:
        """From now on both are one dim; what is known of either holds for it.

        Raises:
          DimError: they have different sizes.

        >>> a, b = Dim(None, "a"), Dim(None, "b")
        >>> a.declare_same_as(b); a == b
        True
        """
        mine, theirs = self.root, other.root
        if mine is theirs or mine == theirs:
            return
        if mine.size is not None and theirs.size is not None and mine.size != theirs.size:
            raise DimError(f"{mine!r} and {theirs!r} cannot be the same dim: their sizes differ")
        if _stays(mine, theirs):
            mine, theirs = theirs, mine
        theirs.capacity = theirs.capacity if theirs.capacity is not None else mine.capacity
        mine._same = theirs
        self.size = other.size = theirs.size

    def copy(self, *, kind: str | None = None, name: str | None = None, match_priority: int | None = None) -> Dim:
        """The same dim, in another role.

        Args:
          kind: of the copy; None for this dim's.
          name: likewise.
          match_priority: likewise: what tells the two apart where one tensor has both.

        Returns:
          A dim that is equal to this one.
        """
        new = Dim(
            self.root.size,
            name or self.name,
            kind=kind or self.kind,
            auto=self.auto,
            capacity=self.capacity,
            match_priority=self.match_priority if match_priority is None else match_priority,
        )
        new._same = self.root
        return new

    def __add__(self, other: Dim | int) -> Dim:
        return _add(self, other, right=True)

    def __radd__(self, other: Dim | int) -> Dim:
        return _add(self, other, right=False)

    def __sub__(self, other: Dim | int) -> Dim:
        return _sub(self, other, right=True)

    def sub_left(self, other: Dim | int) -> Dim:
        """What is left when `other` is taken away from the front."""
        return _sub(self, other, right=False)

    def __mul__(self, other: Dim | int) -> Dim:
        return _mul((self, other))

    def __rmul__(self, other: Dim | int) -> Dim:
        return _mul((other, self))

    def __floordiv__(self, other: Dim | int) -> Dim:
        return _div(self, other, "floordiv", lambda a, b: a // b)

    def ceildiv(self, other: Dim | int) -> Dim:
        """Division, rounded up."""
        return _div(self, other, "ceildiv", lambda a, b: -(-a // b))


def _new() -> Dim:
    """A dim from another process, or of a deep copy: another dim than all that are there."""
    return Dim(None)


class DimError(TenureError):
    """Dims that do not fit together, or an axis that is not there."""


class _Batch(Dim):
    """The batch's dim, which is there once: called, it gives itself."""

    __slots__ = ()

    def __call__(self) -> Dim:
        """The batch."""
        return self


batch_dim = _Batch(None, "batch", kind=BATCH)
"""The batch; there is one. `batch_dim` and `batch_dim()` are the same."""

_BATCH: Dim = batch_dim

single_step_dim = Dim(1, "single-step", special=True)
"""The time dim of one step of a loop: a layer over it computes one frame."""


def feature_dim(size: int | None, name: str = "feature", **more: Any) -> Dim:
    """A dim of features.

    Args:
      size: the number of features.
      name: for people.
      **more: of `Dim`.

    >>> feature_dim(512).size
    512
    """
    return Dim(size, name, kind=FEATURE, **more)


def spatial_dim(name: str, size: int | None = None, **more: Any) -> Dim:
    """A dim of positions: time, height.

    Args:
      name: for people.
      size: the number of positions; None where sequences differ in length.
      **more: of `Dim`.

    >>> spatial_dim("time").is_dynamic
    True
    """
    return Dim(size, name, kind=SPATIAL, **more)


def size_of(value: Dim | int) -> int | None:
    """A number, or a dim's size."""
    return value.root.size if isinstance(value, Dim) else int(value)


def _contains(dim: Dim, part: Dim) -> bool:
    if dim.op is None:
        return False
    return any(isinstance(x, Dim) and (x.root is part or _contains(x.root, part)) for x in dim.op[1:])


def _stays(mine: Dim, theirs: Dim) -> bool:
    """Whether `mine` is the one that stands for both: the batch, or what says more and is not made of the other."""
    if mine is _BATCH or theirs is _BATCH:
        return mine is _BATCH
    if _contains(mine, theirs) or _contains(theirs, mine):
        return _contains(theirs, mine)
    return theirs.size is None and theirs.op is None and (mine.op is not None or mine.size is not None or mine.is_batch)


def _kind(operands: tuple[Any, ...]) -> str:
    dims = [x for x in operands if isinstance(x, Dim)]
    if any(d.is_feature for d in dims):
        return FEATURE
    return SPATIAL if not dims or any(not d.is_batch for d in dims) else BATCH


def _terms(value: Dim | int) -> list[Any]:
    """A sum's summands, each a dim or a number; a negative summand is ("-", dim)."""
    if isinstance(value, Dim):
        root = value.root
        return list(root.op[1:]) if root.op is not None and root.op[0] == "add" else [value]
    return [value] if value else []


def _negative(term: Any) -> Any:
    if isinstance(term, int):
        return -term
    return term[1] if isinstance(term, tuple) else ("-", term)


def _append(terms: list[Any], term: Any, right: bool) -> list[Any]:
    edge = (terms[-1] if right else terms[0]) if terms else None
    if isinstance(edge, int) and isinstance(term, int):
        merged = [edge + term] if edge + term else []
        return terms[:-1] + merged if right else merged + terms[1:]
    if edge is not None and edge == _negative(term):
        return terms[:-1] if right else terms[1:]
    return [*terms, term] if right else [term, *terms]


def _sum(terms: list[Any]) -> Dim:
    if len(terms) == 1 and isinstance(terms[0], Dim):
        return terms[0]
    size: int | None = 0
    for term in terms:
        n = size_of(term[1]) if isinstance(term, tuple) else size_of(term)
        size = None if n is None or size is None else size - n if isinstance(term, tuple) else size + n
    dims = tuple(t[1] if isinstance(t, tuple) else t for t in terms)
    name = "+".join(_shown(t) for t in terms).replace("+-", "-") or "0"
    return Dim(size, name, kind=_kind(dims), op=("add", *terms), auto=all_auto(dims))


def _shown(term: Any) -> str:
    if isinstance(term, tuple):
        return f"-{term[1].name}"
    return term.name if isinstance(term, Dim) else str(term)


def all_auto(operands: Any) -> bool:
    """Whether no dim among them was made by the user."""
    return all(x.auto for x in operands if isinstance(x, Dim))


def _add(dim: Dim, other: Dim | int, right: bool) -> Dim:
    terms = _terms(dim)
    new = _terms(other) if right else _terms(other)[::-1]
    for term in new:
        terms = _append(terms, term, right)
    return _sum(terms)


def _sub(dim: Dim, other: Dim | int, right: bool) -> Dim:
    terms = _terms(dim)
    if right and not isinstance(other, int) and len(terms) > 1 and terms[0] == other:
        return _sum(terms[1:])
    new = _terms(other)[::-1] if right else _terms(other)
    for term in new:
        terms = _append(terms, _negative(term), right)
    return _sum(terms)


def product(*factors: Dim | int) -> Dim:
    """The dim of all combinations, the last one fastest."""
    return _mul(factors)


def _factors(value: Dim | int) -> list[Any]:
    if isinstance(value, Dim):
        root = value.root
        return list(root.op[1:]) if root.op is not None and root.op[0] == "mul" else [value]
    return [] if value == 1 else [value]


def _mul(operands: tuple[Dim | int, ...]) -> Dim:
    factors: list[Any] = []
    for operand in operands:
        for factor in _factors(operand):
            if factors and isinstance(factors[-1], int) and isinstance(factor, int):
                factors[-1] *= factor
            else:
                factors.append(factor)
    if len(factors) == 1 and isinstance(factors[0], Dim):
        return factors[0]
    sizes = [size_of(f) for f in factors]
    size: int | None = 1
    for n in sizes:
        size = None if n is None or size is None else size * n
    kind = _kind(tuple(factors))
    if any(isinstance(f, Dim) and f.is_batch for f in factors):
        kind = BATCH
    name = "*".join(_shown(f) for f in factors) or "1"
    return Dim(size, name, kind=kind, op=("mul", *factors), auto=all_auto(factors))


def _div(dim: Dim, other: Dim | int, op: str, divide: Callable[[int, int], int]) -> Dim:
    if isinstance(other, int) and other == 1:
        return dim
    factors = _factors(dim)
    if len(factors) > 1 and factors[-1] == other:
        return _mul(tuple(factors[:-1]))
    if len(factors) > 1 and factors[0] == other:
        return _mul(tuple(factors[1:]))
    a, b = size_of(dim), size_of(other)
    size = None if a is None or b is None else divide(a, b)
    name = f"{'⌈' if op == 'ceildiv' else '⌊'}{dim.name}/{_shown(other)}{'⌉' if op == 'ceildiv' else '⌋'}"
    return Dim(size, name, kind=_kind((dim, other)), op=(op, dim, other), auto=all_auto((dim, other)))


def stand_for_each_other(a: Dim, b: Dim) -> bool:
    """Whether `a` may be matched with `b`: the same dim, or two that layers made, of one size.

    Args:
      a, b: two dims.

    >>> stand_for_each_other(feature_dim(3, auto=True), feature_dim(3, auto=True)), feature_dim(3) == feature_dim(3)
    (True, False)
    """
    if a == b:
        return True
    return a.auto and b.auto and a.root.size is not None and a.root.size == b.root.size
