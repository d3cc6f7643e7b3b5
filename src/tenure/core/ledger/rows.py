"""The rows of a ledger, and what they add up to."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from tenure.core.errors import UnknownSlotError, brief, nearest
from tenure.core.ledger.row import Row
from tenure.core.notation import paths


class Rows:
    """One row for each slot of a model, in the order of its requests.

    Attributes:
      rows: the rows.
      place: (collection, path) → position in `rows`.
    """

    def __init__(self, rows: Iterable[Row]):
        self.rows = tuple(rows)
        self.place = {(r.collection, r.path): i for i, r in enumerate(self.rows)}
        self._params = {r.path: r for r in self.rows if r.collection == "params"}
        self._state = {r.path: r for r in self.rows if r.collection == "state"}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and self.rows == other.rows

    def __hash__(self) -> int:
        return hash(self.rows)

    def of(self, kind: str, collection: str = "params") -> list[Row]:
        """The rows of one kind, in the order of the requests.

        Args:
          kind: "owned", "borrowed" or "given".
          collection: "params" or "state".
        """
        return [r for r in self.rows if r.kind == kind and r.collection == collection]

    @property
    def owners(self) -> tuple[str, ...]:
        """The owners' paths: one for each leaf of `params`."""
        return tuple(r.path for r in self.of("owned"))

    @property
    def borrowers(self) -> tuple[str, ...]:
        """The borrowers' paths."""
        return tuple(r.path for r in self.of("borrowed"))

    def count(self, module: str | None = None, *, uses: bool = False) -> int:
        """The number of parameters, each counted once: of the model, or of what a module (with its parts) owns.

        Args:
          module: a module's path, or a slot's.
          uses: count every use instead, as accounting for compute does: a matrix with three users three times.

        Raises:
          UnknownSlotError: there is nothing at that path.
        """
        rows = list(self._params.values()) if module is None else self._below(module)
        return sum(r.count for r in rows if r.kind == "owned" or (uses and r.kind == "borrowed"))

    def _below(self, module: str) -> list[Row]:
        """The parameters of a module and its parts, or the one at a slot's path."""
        if isinstance(module, str):
            start, rows = f"{module}/", self.rows
            found = [r for r in rows if f"{r.path}/".startswith(start)]
            found = found or [r for r in rows if f"{paths.plain(r.path)}/".startswith(start)]
            if found:
                return [r for r in found if r.collection == "params"]
        known = dict.fromkeys(p for r in self._params.values() for p in (paths.split(r.path)[0], r.path))
        raise UnknownSlotError(
            f"the ledger has no module or slot {brief(module)}",
            near=nearest(module, known) if isinstance(module, str) else (),
            ways=["print(ledger) shows all paths", "ledger.counts() has all modules"],
        )

    def bytes(self) -> int:
        """What the parameters take in memory."""
        return sum(r.bytes for r in self.of("owned"))

    def counts(self) -> dict[str, tuple[int, int]]:
        """For each module: (parameters that it owns, parameters that it borrows). The first column adds up to `count()`."""
        table: dict[str, tuple[int, int]] = {}
        for row in self._params.values():
            module = paths.split(row.path)[0]
            owned, borrowed = table.get(module, (0, 0))
            table[module] = owned + row.count * (row.kind == "owned"), borrowed + row.count * (row.kind == "borrowed")
        return table

    @functools.cached_property
    def edges(self) -> list[tuple[int, int, str]]:
        """(lender, borrower, view), as positions in `rows`: what each borrower names, and what it is joined with."""
        found = []
        for i, row in enumerate(self.rows):
            lender = self.place.get((row.collection, row.chain[1])) if row.kind == "borrowed" else None
            if lender is not None:
                joined = (self.place.get((row.collection, o)) for o in row.owners if o not in self.rows[lender].owners)
                found += [(k, i, row.view) for k in (lender, *joined) if k is not None]
        return found

    @functools.cached_property
    def shared(self) -> set[int]:
        """The positions of the rows that lend or borrow."""
        return {i for edge in self.edges for i in edge[:2]}
