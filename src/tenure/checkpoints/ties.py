"""Ties on load: what the owners of a model are, given the slots of a file. Nothing is guessed.

The rule is that every slot that both know has, in the model, the value that the file says. Where file and model have other
ties, an owner is filled from whichever of its slots the file has, through the views or their inverses, and all other slots
that the file has are compared with it. Two different values for one owner are an error, unless told which to take.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np

from tenure.checkpoints.errors import CheckpointError, ContentError, StagedFileError
from tenure.checkpoints.report import Notes
from tenure.checkpoints.source import Held, Leaf, Side, as_jax, backwards, fits, others_of, structural, walked
from tenure.core.compare import distance
from tenure.core.errors import (
    NoInverseError,
    Party,
    RuleError,
    TieValueError,
    UnknownSlotError,
    ViewShapeError,
    brief,
    nearest,
)
from tenure.core.ledger.row import Row
from tenure.core.notation.refs import Ref

Assign = Callable[[str, Any], Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Choices:
    """What a caller may say.

    Attributes:
      take: slots whose values win where the file has several different ones for one owner.
      strict: whether missing and unexpected leaves, and other dtypes, are errors.
      partial: whether the file was saved with a part of the owners only, so that missing ones are none of its business.
      template: leaves for what the file lacks.
      resize: owners whose shape may change: what fits is kept, and the rest is the template's.
      assign: stores a plain weight through a model's stages: (owner's path, weight) → path → leaf.
    """

    take: tuple[str, ...] = ()
    strict: bool = True
    partial: bool = False
    template: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    resize: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    assign: Assign | None = None


def names(value: Any, what: str) -> tuple[str, ...]:
    """One path, or several.

    Raises:
      RuleError: it is neither.
    """
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise RuleError(f"{what}={brief(value)} is no path, nor several", ways=[f"{what}='embed/w', or a list of paths"])


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
        self._plain: dict[str, Leaf] = {}  # weights before stages, for what others see
        self._chosen: dict[str, str] = {}  # owner → the slot that its value comes from
        self._conflicts: list[tuple[str, str, float, str]] = []
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
        self._check_stages(wanted)
        self._check_take()
        later = [p for p in wanted if not self._fill(p)]
        for path in later:
            self._fill_from_joined(path)
        for path in wanted:
            if path in self._plain:
                self._compare(path)
        self._compare_joined()
        if self._conflicts:
            raise self._different()
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
            except NoInverseError:
                if path == (taken or claims)[-1]:
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
            value = backwards(self._rows, path, value)[owner]
        self._notes.add("filled", owner, note)
        self._store(owner, Held(owner, jax.numpy.array(as_jax(path, value), copy=True)), row)

    def _store(self, owner: str, leaf: Leaf, source: Row) -> None:
        """A leaf, or a plain weight put through the stages that the model has and the file has not."""
        self.used.update(source.owners)
        row = self._rows[owner]
        self._plain[owner] = leaf
        before = structural(self._file.rows[source.owners[0]])
        if structural(row) == before:
            self.found[owner] = self._checked(owner, leaf, source)
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
                value = backwards(self._rows, path, self._file.value(path)).get(owner)
                if value is not None:
                    self._notes.add("filled", owner, f"from '{path}', which the model ties: '{row.borrows}'")
                    self._store(owner, Held(owner, value), self._file.rows[path])
                    return

    # whether other values agree

    def _same_tie(self, path: str) -> bool:
        mine, theirs = self._rows[path], self._file.rows[path]
        return (
            mine.owners == theirs.owners
            and mine.views == theirs.views
            and self._taps(self._rows, mine) == self._taps(self._file.rows, theirs)
            and all(
                o in self._file.rows and structural(self._file.rows[o]) == structural(self._rows[o])
                for o in mine.owners
            )
        )

    @staticmethod
    def _taps(rows: Mapping[str, Row], row: Row) -> list[str]:
        taps = [rows[p].borrows.partition(" | ")[0].partition("@")[2] for p in row.chain if p in rows]
        return [tap for tap in taps if tap]

    def _compare(self, owner: str) -> None:
        claims = self._claims(owner)
        taken = [p for p in claims if p in self._choices.take]
        for path in claims:
            if path == owner and (not taken or taken == [owner]) and self._file.rows[path].kind == "owned":
                continue
            if owner in claims and not taken and path != owner and self._same_tie(path):
                continue
            self._compare_slot(path, owner, bool(taken))

    def _compare_joined(self) -> None:
        for path, row in self._rows.items():
            joined = row.kind == "borrowed" and len(row.owners) > 1 and all(o in self._plain for o in row.owners)
            if joined and self._file.has(path) and not self._same_tie(path):
                self._compare_slot(path, row.owners[0], any(o in self._choices.take for o in row.owners))

    def _compare_slot(self, path: str, owner: str, taken: bool) -> None:
        """Compares what the model will see at a slot with what the file says of it."""
        self._refuse_staged(path)
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

    # stages

    def _check_stages(self, wanted: list[str]) -> None:
        adapters = [
            row
            for path, row in self._file.rows.items()
            if row.part_of and path in self._file.leaves and path not in self._rows
        ]
        if adapters:
            raise self._adapted(adapters)
        for owner in wanted:
            row = self._rows[owner]
            for path in self._claims(owner):
                there = [self._file.rows[o] for o in self._file.rows[path].owners]
                before = [structural(r) for r in there]
                if any(before) and self._file.rows[path].kind == "borrowed":
                    self._refuse_staged(path)
                if any(before) and any(b != structural(row) for b in before):
                    raise self._other_stages(row, there[0])

    def _refuse_staged(self, path: str) -> None:
        """What a user sees of a staged weight is only known to its model."""
        for owner in self._file.rows[path].owners:
            row = self._file.rows[owner]
            if structural(row) and not (path in self._rows and self._same_tie(path)):
                raise StagedFileError(
                    f"'{path}' is tied otherwise in the model than in the file, where its owner goes through stages",
                    parties=[Party("file", owner, ", ".join(row.stages)), self._rows[path].party("model")],
                    ways=[
                        "restore with the plan of the model that was saved, then tn.untie or tn.tie",
                        "or tn.weights there, and tn.assign here",
                    ],
                )

    def _adapted(self, rows: list[Row]) -> StagedFileError:
        first = rows[0]
        kind = first.stage or "lora"
        parties = [Party("file", r.path, f"{r.shape} {r.dtype}", "", f"of '{r.part_of}'") for r in rows[:6]]
        return StagedFileError(
            f"the file holds {len(rows)} leaves of stages that the model lacks",
            parties=parties,
            near=[],
            ways=[
                f"merge them in the model that was saved:  tn.merge(plan, params, '{first.part_of}', '{kind}')",
                f"give the model the stage:  tn.transform(f, stages={{'{first.part_of}': [{self._stage_text(first)}]}})",
            ],
        )

    def _stage_text(self, part: Row) -> str:
        asker = part.asker
        return f'"{asker}"' if asker else f'"{part.stage}"'

    def _other_stages(self, model: Row, file: Row) -> StagedFileError:
        return StagedFileError(
            f"'{file.path}' goes through other stages in the file than in the model",
            parties=[
                Party("file", file.path, ", ".join(file.stages) or "(none)"),
                Party("model", model.path, ", ".join(model.stages) or "(none)", model.site, model.asker),
            ],
            ways=[
                f"merge it in the model that was saved:  tn.merge(plan, params, '{file.path}', …)",
                "or take its plain weights there, tn.weights(plan, params), and tn.assign them here",
            ],
        )

    # shapes, dtypes, what is left

    def _checked(self, owner: str, leaf: Leaf, source: Row) -> Leaf:
        row, choices = self._rows[owner], self._choices
        if source.layers > 1 and row.shape[-len(leaf.shape) :] == tuple(leaf.shape):  # one value for all layers
            leaf = Held(owner, jax.numpy.broadcast_to(leaf.read(), row.shape))
        if tuple(leaf.shape) != row.shape or choices.resize.get(owner) is not None:
            leaf = self._reshaped(owner, leaf)
        elif row.part_of and owner not in choices.resize and choices.resize.get(row.part_of) is not None:
            raise RuleError(
                f"resize= gives '{row.part_of}' other rows, and does not say what becomes of '{owner}', which is of its stage",
                parties=[row.party("model")],
                ways=[f"resize={{'{row.part_of}': rows, '{owner}': rows}}, or None where its rows stay"],
            )
        wanted, stored = row.dtype, str(leaf.dtype)
        if wanted not in (stored, source.dtype):  # params that were cast stay as they are
            self._notes.add("dtype", owner, f"{stored} in the file, {wanted} in the model")
            if not choices.strict:
                return Held(owner, _cast(leaf, wanted))
        return leaf

    def _reshaped(self, owner: str, leaf: Leaf) -> Leaf:
        row, choices = self._rows[owner], self._choices
        if owner in choices.resize and owner in choices.template and len(leaf.shape) == len(row.shape):
            self._notes.add("resized", owner, f"{leaf.shape} → {row.shape}")
            return Held(owner, resized(leaf.read(), choices.template[owner], choices.resize[owner]))
        if not choices.strict and owner in choices.template:
            self._notes.add("reshaped", owner, f"{leaf.shape} in the file, {row.shape} in the model: left as it was")
            return Held(owner, self._template(owner))
        if tuple(leaf.shape) == row.shape:
            raise ContentError(
                f"resize= gives '{owner}' other rows, and nothing says the values of new ones",
                parties=[row.party("model")],
                ways=["params=model.init(key, …)"],
            )
        raise ContentError(
            f"'{owner}' is {tuple(leaf.shape)} in the file, and {row.shape} in the model",
            parties=[row.party("model"), Party("file", owner, f"{tuple(leaf.shape)} {leaf.dtype}")],
            ways=[
                f"a larger or smaller vocabulary:  tn.transfer(plan, old, params=new, resize='{owner}')",
                "build the model with the sizes of the file",
            ],
        )

    def _template(self, path: str) -> Any:
        """The value that `params=` gives, which must be one of the model."""
        value, row = self._choices.template[path], self._rows[path]
        if np.shape(value) != row.shape:
            raise ContentError(
                f"params= has {np.shape(value)} for '{path}', which is {row.shape} in the model",
                parties=[row.party("model")],
                ways=["params=model.init(key, …)"],
            )
        return value

    def _finish(self, wanted: list[str]) -> None:
        choices = self._choices
        missing = []
        for path in wanted:
            if path not in self.found:
                if path in choices.template and (choices.partial or not choices.strict or self._is_new_stage(path)):
                    self._notes.add("missing", path, "not in the file: left as it was")
                    self.found[path] = Held(path, self._template(path))
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


def _cast(leaf: Leaf, dtype: str) -> Any:
    return jax.numpy.asarray(leaf.read()).astype(dtype)


def resized(old: Any, new: Any, rows: Any = None) -> Any:
    """The new array with the values of the old one where they overlap, or where `rows` says.

    Args:
      old, new: of as many axes.
      rows: for each row of the new array, the row of the old one that it is, or -1; None for the same index on every axis.
    """
    made = _resized(np.asarray(old), np.array(new), rows)
    return jax.numpy.asarray(made) if isinstance(new, jax.Array) else made


def _resized(old: np.ndarray, new: np.ndarray, rows: Any) -> np.ndarray:
    if rows is not None:
        index = np.asarray(rows)
        numbers = index.dtype.kind in "iu" and index.shape == new.shape[:1] and new.ndim > 0
        if not numbers or old.shape[1:] != new.shape[1:] or ((index >= len(old)) | (index < -1)).any():
            raise ContentError(
                f"{index.shape} rows of {old.shape} do not make {new.shape}: {brief(rows)}",
                ways=["one number for each row of the new array: the old row's, or -1"],
            )
        new[index >= 0] = old[index[index >= 0]]
        return new
    common = tuple(slice(0, min(a, b)) for a, b in zip(old.shape, new.shape, strict=True))
    new[common] = old[common]
    return new


__all__ = ["Choices", "Matching", "names", "resized"]
