"""The ledger: for every slot of a model, who owns it, or from whom and through which view it is borrowed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tenure.core.errors import UnknownSlotError, brief, nearest
from tenure.core.ledger import page, report
from tenure.core.ledger.diff import Differences, between
from tenure.core.ledger.row import Row
from tenure.core.ledger.rules import RuledRows
from tenure.core.notation import paths


class Ledger(RuledRows):
    """Who owns, who borrows. Made by `plan`; equal for equal models; `Ledger.from_json(ledger.to_json()) == ledger`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> from tenure import nn
    >>> def lm(tokens):
    ...     embed = nn.Embed(11, 4, name="embed")
    ...     return nn.Linear(11, with_bias=False, share={"w": embed.ref("embeddings").T}, name="head")(embed(tokens))
    >>> ledger = tn.transform(lm).plan(jnp.zeros((2, 3), int)).ledger
    >>> ledger.users_of("embed/embeddings")
    ('embed/embeddings', 'head/w')
    >>> ledger.count()
    44
    """

    def __getitem__(self, path: str) -> Row:
        """The row of a slot.

        Raises:
          UnknownSlotError: there is none.
        """
        row = self._params.get(path, self._state.get(path)) if isinstance(path, str) else None
        if row is not None:
            return row
        everything = [*self._params, *self._state]
        found = [p for p in everything if isinstance(path, str) and paths.plain(p) == paths.plain(path)]
        if len(found) == 1:
            return self[found[0]]
        raise UnknownSlotError(
            f"the ledger has no slot {brief(path)}",
            near=nearest(path, everything) if isinstance(path, str) else (),
            ways=["print(ledger) shows all paths"],
        )

    def owner_of(self, path: str) -> str:
        """The path of the slot's owner: its own path if it is owned, or given.

        Raises:
          UnknownSlotError: there is no such slot, or it is put together from several owners.
        """
        owners = self.owners_of(path)
        if len(owners) > 1:
            raise UnknownSlotError(
                f"'{path}' has {len(owners)} owners: {', '.join(owners)}", ways=["use ledger.owners_of(path)"]
            )
        return owners[0]

    def owners_of(self, path: str) -> tuple[str, ...]:
        """The paths of all owners that a slot's value is made of."""
        return self[path].owners

    def users_of(self, path: str) -> tuple[str, ...]:
        """All slots that use the owner at `path`, itself first."""
        row = self[path]
        table = self._params if row.collection == "params" else self._state
        return tuple(r.path for r in table.values() if row.path in r.owners)

    def chain_of(self, path: str) -> tuple[str, ...]:
        """From the slot to its owner, hop by hop."""
        return self[path].chain

    def diff(self, other: Ledger, names: tuple[str, str] = ("this", "other")) -> Differences:
        """How another ledger differs from this one: what is owned, borrowed, shaped or staged differently.

        Where a line asked, which module asked, axis names and notes are not compared.

        Args:
          other: of another model, or read back from JSON.
          names: what the table is to call the two ledgers.

        Returns:
          One entry for each slot and respect, empty (and false) if there is none. It prints as a table.

        >>> import jax.numpy as jnp, tenure as tn
        >>> from tenure import nn
        >>> f = lambda x: nn.Linear(4, name="two", with_bias=False)(nn.Linear(4, name="one", with_bias=False)(x))
        >>> free, tied = (tn.transform(f, ties=t).plan(jnp.ones(4)).ledger for t in ({}, {"two/w": "one/w"}))
        >>> print(free.diff(tied, names=("model", "file")))
        slot   what  model  file
        ───────────────────────────────────────
        two/w  kind  owned  borrowed from one/w
        """
        keys = dict.fromkeys([*self.place, *other.place])
        pairs = [[r.rows[r.place[key]] if key in r.place else None for r in (self, other)] for key in keys]
        return Differences(tuple(d for one, two in pairs for d in between(one, two)), names)

    def to_json(self) -> str:
        """The ledger as JSON; `Ledger.from_json` reads it back."""
        return json.dumps({"tenure_ledger": 1, "rows": [dataclasses.asdict(r) for r in self.rows]}, indent=1)

    @staticmethod
    def from_json(text: str | Mapping[str, Any]) -> Ledger:
        """A ledger from `to_json`'s string.

        Raises:
          UnknownSlotError: it is none.
        """
        try:
            data = json.loads(text) if isinstance(text, (str, bytes)) else text
            ledger = Ledger(Row(**{k: _frozen(v) for k, v in row.items()}) for row in data["rows"])
            known = {r.path for r in ledger.rows}
            if wrong := [r for r in ledger.rows if not r.is_valid(known)]:
                raise ValueError(f"the row of {brief(wrong[0].path)}")
            if len(ledger.place) < len(ledger.rows):
                raise ValueError("two rows for one slot")
            return ledger
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
            raise UnknownSlotError(
                f"not a ledger as JSON: {str(e)[:200]}", ways=["use the string of ledger.to_json()"]
            ) from None

    def __str__(self) -> str:
        return self.table()

    def table(
        self,
        width: int | None = None,
        *,
        depth: int | None = None,
        shared_only: bool = False,
        fold: bool = True,
        sites: bool = True,
    ) -> str:
        """The ledger as a text table; `print(ledger)` shows it with the defaults.

        Args:
          width: characters of a line; the terminal's if None.
          depth: one line for each module so many levels deep, with the parameters that it owns, instead of one for each slot.
          shared_only: leave out what only its owner uses.
          fold: show layers that are alike, four or more, as one: `layer_0…47/w`, `48 × (128, 128)`.
          sites: show which line of the program asked, as "asked for at".

        Raises:
          RuleError: `depth` is no number of levels.
        """
        return report.table(self, width, depth, shared_only, fold, sites)

    def __repr__(self) -> str:
        return f"Ledger({len(self.owners)} owners, {len(self.rows)} slots)"

    def to_mermaid(self, *, depth: int | None = None, shared_only: bool = True, fold: bool = True) -> str:
        """Owners and borrowers as a Mermaid flowchart.

        Args:
          depth: draw modules so many levels deep instead of slots. Mermaid draws no more than 50,000 characters; a longer
            diagram is drawn as modules, so deep as fits, where `fold` is True.
          shared_only: leave out what only its owner uses, unless nothing is shared.
          fold: draw layers that are alike, four or more, as one.

        Raises:
          RuleError: `depth` is no number of levels.
        """
        return report.mermaid(self, depth, shared_only, fold)

    def to_dot(self) -> str:
        """Owners and borrowers as a Graphviz graph."""
        return report.dot(self)

    def to_html(self, title: str = "Ledger") -> str:
        """One self-contained page: the tree of modules, who owns, who borrows, through which view."""
        return page.html(self, title)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


__all__ = ["Ledger", "Row"]
