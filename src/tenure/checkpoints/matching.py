"""Ties on load: what the owners of a model are, given the slots of a file. Nothing is guessed.

The rule is that every slot that both know has, in the model, the value that the file says. Where file and model have other
ties, an owner is filled from whichever of its slots the file has, through the views or their inverses, and all other slots
that the file has are compared with it. Two different values for one owner are an error, unless told which to take.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import jax

from tenure.checkpoints.agreement import Agreement
from tenure.checkpoints.choices import Choices
from tenure.checkpoints.errors import CheckpointError, ContentError, StagedFileError
from tenure.checkpoints.fitting import fitted, template
from tenure.checkpoints.other_stages import check_stages
from tenure.checkpoints.report import Notes
from tenure.checkpoints.source import Held, Leaf, Side, as_jax, backwards, structural
from tenure.core.errors import NoInverseError, Party, RuleError, UnknownSlotError, brief, nearest
from tenure.core.ledger.row import Row


class Matching:
    """The owners of a model, found in a file.

    Attributes:
      found: owner's path → its leaf.
      assigned: paths of states that stages keep → arrays, where a plain weight was put through stages.
      used: the file's leaves that went somewhere.
    """

    def __init__(self, file: Side, model: Mapping[str, Row], choices: Choices, notes: Notes):
        self._file, self._rows, self._choices, self._notes = file, model, choices, notes
        self.found: dict[str, Leaf] = {}
        self.assigned: dict[str, Any] = {}
        self.used: set[str] = set()
        self._seen = {p: dataclasses.replace(r, shape=choices.weights.get(p, r.shape)) for p, r in model.items()}
        self._plain: dict[str, Leaf] = {}  # weights before stages, for what others see
        self._chosen: dict[str, str] = {}  # owner → the slot that its value comes from
        self._users: dict[str, list[str]] = {p: [p] for p, r in model.items() if r.kind == "owned"}
        for path, row in model.items():
            if row.kind == "borrowed" and len(row.owners) == 1 and row.owners[0] in self._users:
                self._users[row.owners[0]].append(path)

    def run(self, wanted: Iterable[str]) -> None:
        """Finds the wanted owners.

        Raises:
          TieValueError: two different values for one owner.
          NoInverseError: an owner is only there as a user's value, and the view has no inverse.
          StagedFileError: the stages in file and model do not go together.
          ContentError: leaves that are missing, unexpected, of another shape or dtype.
        """
        wanted = list(wanted)
        check_stages(self._file, self._rows, {p: self._claims(p) for p in wanted})
        self._check_take()
        later = [p for p in wanted if not self._fill(p)]
        for path in later:
            self._fill_from_joined(path)
        agreement = Agreement(self._file, self._rows, self._choices, self._notes, self._plain, self._chosen)
        agreement.check({p: self._claims(p) for p in wanted if p in self._plain})
        self.used |= agreement.used
        self._finish(wanted)

    def _check_take(self) -> None:
        for path in self._choices.take:
            if not self._file.has(path) or path not in self._rows:
                raise UnknownSlotError(
                    f"take={brief(path)} is no slot that both file and model have",
                    near=nearest(path, [p for p in self._rows if self._file.has(p)]),
                    ways=["name the slot whose value is to be kept"],
                )

    # where a value comes from

    def _claims(self, owner: str) -> list[str]:
        """The slots of an owner whose values the file has."""
        return [p for p in self._users[owner] if self._file.has(p)]

    def _fill(self, owner: str) -> bool:
        claims = self._claims(owner)
        taken = [p for p in claims if p in self._choices.take]
        if len(taken) > 1:
            raise CheckpointError(
                f"take= names {len(taken)} slots of '{owner}': {', '.join(taken)}", ways=["name one of them"]
            )
        for path in taken or claims:
            try:
                self._set(owner, path)
                return True
            except NoInverseError:  # of a view; a stage that can not make the weight is told at once
                if path in (owner, (taken or claims)[-1]):
                    raise
        return False

    def _set(self, owner: str, path: str) -> None:
        row = self._file.rows[path]
        self._chosen[owner] = path
        if path == owner and row.kind == "owned":
            self._store(owner, self._file.leaves[owner], row)
            return
        value = self._file.value(path)
        if path == owner:
            note = f"the file ties it: '{row.borrows}'"
        else:
            shown = self._rows[path].borrows
            note = f"from '{path}', which the model ties: '{shown}'"
            value = backwards(self._seen, path, value)[owner]
        self._notes.add("filled", owner, note)
        self._store(owner, Held(owner, jax.numpy.array(as_jax(path, value), copy=True)), row)

    def _store(self, owner: str, leaf: Leaf, source: Row) -> None:
        """A leaf, or a plain weight put through the stages that the model has and the file has not."""
        self.used.update(source.owners)
        row = self._rows[owner]
        self._plain[owner] = leaf
        before = structural(self._file.rows[source.owners[0]])
        if structural(row) == before:
            self.found[owner] = fitted(row, leaf, source, self._choices, self._notes)
            return
        assign = self._choices.assign
        if assign is None:
            raise StagedFileError(
                f"'{owner}' goes through {', '.join(structural(row))} in the model, and is a plain weight in the file",
                parties=[row.party("model"), Party("file", source.path, f"{leaf.shape} {leaf.dtype}")],
                ways=["give the plan itself, not only its ledger"],
            )
        if self._choices.resize.get(owner) is not None:
            raise RuleError(
                f"'{owner}' can not get other rows and other stages ({', '.join(structural(row))}) at once",
                parties=[row.party("model")],
                ways=["transfer twice: into a model with the new rows, and from there into the one with the stages"],
            )
        made = assign(owner, leaf.read())
        self._notes.add("assigned", owner, f"the file's plain weight, through {', '.join(structural(row))}")
        for path, array in made.items():
            if path in self._rows:
                self.found[path] = Held(path, array)
            self.assigned[path] = array

    def _fill_from_joined(self, owner: str) -> None:
        """From a slot that is put together from this owner and others."""
        if owner in self.found:
            return
        for path, row in self._rows.items():
            if row.kind == "borrowed" and len(row.owners) > 1 and owner in row.owners and self._file.has(path):
                value = backwards(self._seen, path, self._file.value(path)).get(owner)
                if value is not None:
                    self._notes.add("filled", owner, f"from '{path}', which the model ties: '{row.borrows}'")
                    self._store(owner, Held(owner, value), self._file.rows[path])
                    return

    # what is left

    def _finish(self, wanted: list[str]) -> None:
        choices = self._choices
        missing = []
        for path in wanted:
            if path not in self.found:
                if path in choices.template and (choices.partial or not choices.strict or self._is_new_stage(path)):
                    self._notes.add("missing", path, "not in the file: left as it was")
                    self.found[path] = Held(path, template(self._rows[path], choices))
                else:
                    missing.append(path)
        left = [p for p in self._file.leaves if p not in self.used]
        for path in left:
            self._notes.add("unexpected", path, f"{tuple(self._file.leaves[path].shape)} in the file, not in the model")
        dtypes = [e for e in self._notes.entries if e.kind == "dtype"]
        if missing or (choices.strict and (left or dtypes)):
            raise self._contents(missing, left if choices.strict else [], dtypes if choices.strict else [])

    def _is_new_stage(self, path: str) -> bool:
        """Whether a leaf is kept by a stage for one use that the model has and the file has not."""
        row = self._rows[path]
        if not row.part_of or path in self.assigned:
            return False
        before = self._file.rows.get(row.part_of)
        return before is not None and before.stages != self._rows[row.part_of].stages

    def _contents(self, missing: list[str], left: list[str], dtypes: list[Any]) -> ContentError:
        parties = [dataclasses.replace(self._rows[p].party("missing")) for p in missing[:6]]
        parties += [Party("unexpected", p, str(tuple(self._file.leaves[p].shape)), "in the file") for p in left[:6]]
        parties += [Party("dtype", e.path, e.text) for e in dtypes[:6]]
        counts = [f"{len(x)} {what}" for x, what in ((missing, "missing"), (left, "unexpected")) if x]
        counts += [f"{len(dtypes)} of another dtype"] if dtypes else []
        near = nearest(missing[0], left) if missing and left else ()
        known = list(self._file.leaves)
        more = f", and {len(known) - 6} more" if len(known) > 6 else ""
        return ContentError(
            "file and model do not hold the same parameters: " + ", ".join(counts),
            parties=parties,
            near=near,
            ways=[
                "rename={'old/w': 'new/w'}" if missing and left else "use the plan of the model that was saved",
                "strict=False takes what fits, and reports the rest; params= has the values of what is missing",
                f"the file has: {', '.join(known[:6]) or '(nothing)'}{more}",
            ],
        )


__all__ = ["Matching"]
