"""How two ledgers differ: what is owned, borrowed, shaped or staged differently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tenure.core.ledger.row import Row

_NOTHING = "–"


@dataclass(frozen=True)
class Difference:
    """One respect in which a slot differs.

    Attributes:
      path: the slot's.
      collection: "params" or "state".
      what: "slot" (one ledger lacks it), "kind", "borrows", "shape", "dtype" or "stages".
      one, two: how the first and the second ledger have it, as text.
    """

    path: str
    collection: str
    what: str
    one: str
    two: str


@dataclass(frozen=True)
class Differences:
    """All respects in which two ledgers differ, in the order of their slots. Prints as a table; empty is false.

    Attributes:
      rows: one for each slot and respect.
      names: what to call the two ledgers.
    """

    rows: tuple[Difference, ...]
    names: tuple[str, str]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Difference]:
        return iter(self.rows)

    def __str__(self) -> str:
        if not self.rows:
            return "no differences"
        cells = [("slot", "what", *self.names)]
        cells += [(r.path + " (state)" * (r.collection == "state"), r.what, r.one, r.two) for r in self.rows]
        sizes = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.ljust, line, sizes)).rstrip() for line in cells]
        return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def between(one: Row | None, two: Row | None) -> Iterable[Difference]:
    """The respects in which one slot differs between two ledgers, whose rows it is; None where a ledger lacks it."""
    row = one or two
    assert row is not None
    if one is None or two is None:
        shown = (_NOTHING if r is None else f"{_kind(r)} {r.shape} {r.dtype}" for r in (one, two))
        return [Difference(row.path, row.collection, "slot", *shown)]
    respects = (
        ("kind", _kind) if one.kind != two.kind else ("borrows", _borrowed),
        ("shape", lambda r: f"{r.shape} × {r.layers} layers" if r.layers > 1 else str(r.shape)),
        ("dtype", lambda r: r.dtype),
        ("stages", lambda r: r.staged or _NOTHING),
    )
    return [Difference(row.path, row.collection, w, see(one), see(two)) for w, see in respects if see(one) != see(two)]


def _kind(row: Row) -> str:
    """`owned`, `borrowed from embed/w | transpose`, `owned by a stage of head/w`."""
    if row.kind == "borrowed":
        return f"borrowed from {_borrowed(row)}"
    return f"{row.kind} by a stage of {row.part_of}" if row.part_of else row.kind


def _borrowed(row: Row) -> str:
    return " | ".join([", ".join(row.owners), *row.views])
