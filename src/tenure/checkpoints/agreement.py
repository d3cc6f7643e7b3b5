"""Whether all that a file says of one owner agrees: each slot that it knows is compared with what the model will see there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from tenure.checkpoints.choices import Choices
from tenure.checkpoints.other_stages import refuse_staged
from tenure.checkpoints.report import Notes
from tenure.checkpoints.source import Leaf, Side, fits, others_of, same_tie, walked
from tenure.core.compare import distance
from tenure.core.errors import Party, TieValueError, ViewShapeError
from tenure.core.ledger.row import Row
from tenure.core.notation.refs import Ref


class Agreement:
    """The comparison of a file with the owners that were filled from it.

    Args:
      file: what is there.
      model: the slots of the model.
      choices: what the caller said.
      notes: what is compared is told there.
      plain: owner's path → the weight that it was given, before stages.
      chosen: owner's path → the slot that it was given the value of.

    Attributes:
      used: the file's leaves that something was compared with.
    """

    def __init__(
        self,
        file: Side,
        model: Mapping[str, Row],
        choices: Choices,
        notes: Notes,
        plain: Mapping[str, Leaf],
        chosen: Mapping[str, str],
    ):
        self._file, self._rows, self._choices, self._notes = file, model, choices, notes
        self._plain, self._chosen = plain, chosen
        self._conflicts: list[tuple[str, str, float, str]] = []
        self.used: set[str] = set()

    def check(self, claims: Mapping[str, list[str]]) -> None:
        """Compares all slots of the owners, and those that several owners are joined in.

        Args:
          claims: owner's path → its slots whose values the file has.

        Raises:
          TieValueError: two different values for one owner.
          ViewShapeError: they do not even have one shape.
          StagedFileError: what the file says of a slot cannot be told without its model.
        """
        for owner, paths in claims.items():
            self._compare(owner, paths)
        self._compare_joined()
        if self._conflicts:
            raise self._different()

    def _compare(self, owner: str, claims: list[str]) -> None:
        taken = [p for p in claims if p in self._choices.take]
        for path in claims:
            if path == owner and (not taken or taken == [owner]) and self._file.rows[path].kind == "owned":
                continue
            if owner in claims and not taken and path != owner and same_tie(self._file.rows, self._rows, path):
                continue
            self._compare_slot(path, owner, bool(taken))

    def _compare_joined(self) -> None:
        for path, row in self._rows.items():
            joined = row.kind == "borrowed" and len(row.owners) > 1 and all(o in self._plain for o in row.owners)
            if joined and self._file.has(path) and not same_tie(self._file.rows, self._rows, path):
                self._compare_slot(path, row.owners[0], any(o in self._choices.take for o in row.owners))

    def _compare_slot(self, path: str, owner: str, taken: bool) -> None:
        """Compares what the model will see at a slot with what the file says of it."""
        refuse_staged(self._file, self._rows, path)
        theirs = self._file.value(path)
        mine = Side(self._rows_before_resizing(path), self._plain).value(path)
        self.used.update(self._file.rows[path].owners)
        if not fits(mine, theirs):
            if not self._choices.strict:
                self._notes.add("dropped", path, f"{np.shape(theirs)} in the file, {np.shape(mine)} in the model")
                return
            raise ViewShapeError(
                f"'{path}' is {np.shape(mine)} in the model, and {np.shape(theirs)} in the file",
                parties=[self._rows[path].party("model"), self._file.rows[path].party("file")],
                ways=["change the view", f"untie it:  tn.transform(f, ties={{'{path}': tn.own}})"],
            )
        gap = distance(mine, theirs)
        chosen = self._chosen.get(owner, owner)
        if gap and path == chosen:
            self._notes.add("checked", path, f"'{owner}' gives it but for the view's rounding: max|Δ| = {gap:.3g}")
        elif gap and taken:
            self._notes.add("dropped", path, f"its value in the file differs from the one taken: max|Δ| = {gap:.3g}")
        elif gap:
            self._conflicts.append((owner, path, gap, self._rows[path].borrows))
        elif path != chosen and self._is_news(path, chosen):
            self._notes.add("checked", path, f"equal to what '{owner}' gives")

    def _is_news(self, path: str, chosen: str) -> bool:
        """Whether the file had a value of its own for the slot, or tied it otherwise to the same leaf."""
        row, source = self._file.rows[path], self._file.rows.get(chosen)
        return source is None or row.owners != source.owners or source.kind == "owned"

    def _rows_before_resizing(self, path: str) -> Mapping[str, Row]:
        """The model's rows as they would be with the file's sizes, so that old values are compared with old values."""
        *users, owner = self._rows[path].chain
        if owner not in self._choices.resize:
            return self._rows
        shape, rows = tuple(self._plain[owner].shape), dict(self._rows)
        for user in reversed(users):
            ref = Ref.parse(rows[user].borrows)
            shape = walked(ref, shape, [rows[Ref.parse(o).path].shape for v in ref.views for o in others_of(v)])[-1]
            rows[user] = dataclasses.replace(rows[user], shape=shape)
        return rows

    def _different(self) -> TieValueError:
        owner, path, gap, tie = self._conflicts[0]
        parties = []
        for o, p, g, _ in self._conflicts[:5]:
            parties += [self._rows[p].party("user"), dataclasses.replace(self._rows[o].party("owner"), through=tie)]
            file_tie = self._file.rows[p].borrows
            told = f"tied there: '{file_tie}'" if file_tie else "a leaf of its own"
            parties.append(Party("file", p, f"max|Δ| = {g:.3g}", "", told))
        return TieValueError(
            f"the model ties '{path}' to '{tie}', and in the file the two differ: max|Δ| = {gap:.3g}"
            + (f" (and {len(self._conflicts) - 1} more)" if len(self._conflicts) > 1 else ""),
            parties=parties,
            ways=[
                f"keep the owner's value:     take='{owner}'",
                f"keep the borrower's value:  take='{path}'",
                f"keep both, untied:          tn.transform(f, ties={{'{path}': tn.own}})",
            ],
        )


__all__ = ["Agreement"]
