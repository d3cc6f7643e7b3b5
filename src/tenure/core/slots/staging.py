"""Which stages a slot has: what its request, the modules around it and the model say, and what its owner has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax

from tenure.core.errors import (
    BorrowerStageError,
    RuleError,
    StageOrderError,
    StageShapeError,
    TenureError,
    UnusedStageError,
    nearest,
)
from tenure.core.keys import made_key, missing_key
from tenure.core.notation import paths
from tenure.core.notation.stage import PENALTY, STOCHASTIC, STRUCTURAL, Misfit, OnUse, Spec, Stage
from tenure.core.slots.slot import Request, Slot
from tenure.core.slots.stage_rules import Rule, Rules

_RANK = {STRUCTURAL: 0, STOCHASTIC: 1, PENALTY: 2}
Slots = dict[str, Slot]


def resolve_stages(slots: Slots, states: Slots, rules: Rules) -> Slots:
    """The slots with their stages, and with a slot for every leaf that a stage keeps, right after its owner.

    Args:
      slots: of the parameters, linked.
      states: of the states; those that stages keep are added.
      rules: what `stages=` says.

    Raises:
      UnusedStageError, RuleError: a rule that selects nothing, or borrowers only.
      BorrowerStageError: a stage on a borrower that its owner does not have.
      StageShapeError, StageOrderError: stages that do not fit the parameter, or one another.
    """
    if not rules and not any(slot.request.stages for slot in slots.values()):
        return slots
    used: set[Rule] = set()
    borrowed: dict[Rule, Slot] = {}
    found = {path: rules.of(path) for path in slots}
    slots = dict(slots)
    for path, slot in slots.items():
        if slot.kind != "borrowed":
            used.update(found[path])
            slots[path] = _owner_staged(slot, found[path])
    for path, slot in slots.items():
        if slot.kind == "borrowed":
            used.update(rule for rule in found[path] if rule.module is not None or rule.for_one_use)
            borrowed.update(dict.fromkeys(found[path], slot))
            slots[path] = _borrower_staged(slot, found[path], slots, rules)
    named = [rule for level in found.values() for rule in level if not paths.is_glob(rule.glob)]
    owners = {rule.glob for rule in named if rule.glob in slots and slots[rule.glob].kind != "borrowed"}
    for rule in rules.unused(used):
        if any(paths.matches(rule.glob, path) for path in owners):
            continue  # an entry before it names all that it selects, as those that `tn.merge` returns do
        raise _unused(rule, borrowed.get(rule), slots)
    ordered: Slots = {}
    for path, slot in slots.items():
        parts: Slots = {}
        if slot.staged:
            slot = _with_parts(slot, slots, parts, states)
        ordered |= {path: slot, **parts}
    return ordered


def _owner_staged(slot: Slot, found: Sequence[Rule]) -> Slot:
    """An owner, or a given value, with the stages that its request and the rules say."""
    every, notes = _combined([slot.request.stages, *(rule.stages for rule in found)])
    _check_skipped(every, slot, found)
    stages = tuple(s for s in every if not isinstance(s, OnUse) and _applies(s, slot))
    uses = tuple(s.inner for s in every if isinstance(s, OnUse) and _applies(s.inner, slot))
    if not (stages or uses or notes):
        return slot
    slot = dataclasses.replace(slot, stages=stages, use_stages=uses, notes=slot.notes + notes)
    if slot.kind == "given":
        _check_given(slot)
    return slot


def _borrower_staged(slot: Slot, found: Sequence[Rule], slots: Slots, rules: Rules) -> Slot:
    """A borrower with the stages of its own use."""
    inner = [slot.request.stages, *(rule.stages for rule in found if rule.module is not None)]
    outer = [tuple(s for s in rule.stages if isinstance(s, OnUse)) for rule in found if rule.module is None]
    every, notes = _combined([*inner, *outer])
    _check_skipped([s for s in every if isinstance(s, OnUse)], slot, found)
    uses: list[Stage] = []
    for stage in every:
        use, note = _on_borrower(stage, slot, slots, rules)
        uses += [] if use is None else [use]
        notes += (note,) * bool(note)
    if not (uses or notes):
        return slot
    return dataclasses.replace(slot, use_stages=tuple(uses), notes=slot.notes + notes)


def _check_skipped(every: Sequence[Stage], slot: Slot, found: Sequence[Rule]) -> None:
    """Raises if a stage that is asked for by this slot's own path has nothing to do with it; a glob may skip."""
    exact = [*slot.request.stages, *(s for rule in found if not paths.is_glob(rule.glob) for s in rule.stages)]
    for stage in every:
        inner = stage.inner if isinstance(stage, OnUse) else stage
        if stage in exact and not _applies(inner, slot):
            least = inner.arguments["min_ndim"]
            rule = next((r for r in found if stage in r.stages), None)
            raise StageShapeError(
                f"the stage '{stage}' is asked for '{slot.path}' by its path, and skips it: it is for parameters with "
                f"{least} axes or more, and {slot.shape} has {len(slot.shape)}",
                parties=[slot.party("user" if slot.kind == "borrowed" else "owner"), *([rule.party()] if rule else [])],
                ways=[
                    f"if it is meant:  {inner.name}(…, min_ndim={len(slot.shape)})",
                    "a glob skips what a stage is not for:  stages={'**/w': […]}",
                    "leave it out for this parameter",
                ],
            )


def _combined(levels: Sequence[tuple[Stage | None, ...]]) -> tuple[list[Stage], tuple[str, ...]]:
    """All levels' stages, and notes. Inner levels come first: an outer stage replaces the inner one of its name."""
    found: dict[str, Stage] = {}
    notes = []
    for level in levels:
        for stage in level:
            if stage is None:
                found.clear()
                continue
            label = f"on_use {stage.inner.label}" if isinstance(stage, OnUse) else stage.label
            if label in found and found[label] != stage:
                notes.append(f"stages= overrides '{found[label]}' with '{stage}'")
            found[label] = stage
    return sorted(found.values(), key=lambda s: _RANK[s.kind]), tuple(notes)


def _applies(stage: Stage, slot: Slot) -> bool:
    return stage.applies(Spec(slot.shape, slot.dtype))


def _check_given(slot: Slot) -> None:
    for stage in slot.stages + slot.use_stages:
        if stage.kind == STRUCTURAL or stage.parts(Spec(slot.shape, slot.dtype)):
            raise StageShapeError(
                f"'{slot.path}' is given a computed value, of which '{stage}' can store nothing",
                parties=[slot.party("given")],
                ways=["put the stage on the parameters that the value is computed from", "own the parameter"],
            )


def _on_borrower(stage: Stage, slot: Slot, slots: Slots, rules: Rules) -> tuple[Stage | None, str]:
    """The stage of this use, None where it is the owner's already; and a note.

    Raises:
      BorrowerStageError: it is neither the owner's nor declared for this use.
    """
    if isinstance(stage, OnUse):
        return (stage.inner if _applies(stage.inner, slot) else None), ""
    owners = _owners(slot, slots, "")
    have = [
        stage in slots[owner].stages and not ((tap and stage.kind == STOCHASTIC) or tap == "stored")
        for owner, tap in owners
    ]
    if all(have):
        return None, f"{stage.label}: same as owner"
    if rules.on_borrowed == "stack":
        return (stage if _applies(stage, slot) else None), ""
    owner, tap = owners[have.index(False)]
    name, has = paths.split(slot.path)[1], ", ".join(map(str, slots[owner].stages)) or "no stages"
    tapped = f", and '{slot.path}' taps it before them at '@{tap}'" if tap and stage in slots[owner].stages else ""
    raise BorrowerStageError(
        f"'{slot.path}' has the stage '{stage}', which its owner does not apply: it has {has}{tapped}",
        parties=[slot.party("user", f"[{stage}]"), slots[owner].party("owner", f"[{has}]")],
        ways=[
            f"take the tap away:  '{owner}'"
            if tapped
            else f"put it on the owner, for all users:  stages={{'{owner}': ['{stage}']}}",
            f"for this use only:  tn.on_use({stage})",
            f"untie it:  ties={{'{slot.path}': tn.own}}, or share={{'{name}': None}}",
        ],
    )


def _owners(slot: Slot, slots: Slots, tap: str) -> list[tuple[str, str]]:
    """The owners at the end of a slot's chain, and where they are tapped."""
    found, todo = [], [(slot, tap)]
    while todo:
        slot, tap = todo.pop()
        if slot.target is None:
            found.append((slot.path, tap))
        else:
            todo += [(slots[ref.path], ref.tap or tap) for ref in (*reversed([*slot.target.others()]), slot.target)]
    return found


def _unused(rule: Rule, user: Slot | None, slots: Slots) -> TenureError:
    if user is not None:
        owner = slots[_owners(user, slots, "")[0][0]]
        return RuleError(
            f"the stages for '{rule.key}' are written for '{user.path}', which is borrowed: stages go by owner",
            parties=[rule.party(), user.party("user"), owner.party("owner")],
            ways=[f"write it for the owner:  '{owner.path}'", f"for this use only:  '{rule.key}': [tn.on_use(…)]"],
        )
    return UnusedStageError(
        f"the stages for '{rule.key}' select nothing",
        parties=[rule.party()],
        near=nearest(rule.glob, slots),
        ways=[
            "correct the path: '**' matches across '/', '*' within a name",
            "print(model.plan(…).ledger) shows all paths",
        ],
    )


def _with_parts(slot: Slot, slots: Slots, parts: Slots, states: Slots) -> Slot:
    """Works backwards from what is asked for to what is stored; adds the leaves on the way to `parts` and `states`."""
    spec = Spec(slot.shape, slot.dtype)
    specs: dict[str, Spec] = {}
    where: dict[tuple[str, str], str] = {}
    _parts_of(slot, slot.use_stages, spec, specs, where, slots, parts, states)
    leaf, frozen = _parts_of(slot, slot.stages, spec, specs, where, slots, parts, states)
    return dataclasses.replace(slot, leaf=leaf, frozen=frozen, specs=specs, parts=where)


def _parts_of(
    slot: Slot,
    stages: Sequence[Stage],
    spec: Spec,
    specs: dict[str, Spec],
    where: dict[tuple[str, str], str],
    slots: Slots,
    parts: Slots,
    states: Slots,
) -> tuple[Spec, bool]:
    """What must be stored for stages to give `spec`, and whether they keep gradients from it."""
    frozen = False
    for stage in reversed(stages):
        try:
            given = stage.stored(spec)
            kept = stage.parts(spec)
        except Misfit as e:
            raise StageShapeError(
                f"the stage '{stage}' does not fit '{slot.path}': {e}",
                parties=[slot.party("owner" if slot.kind == "owned" else "user")],
                ways=["leave it out for this parameter: a narrower glob, or min_ndim=2", "choose other options"],
            ) from None
        for suffix, part in kept.items():
            path = part_path(slot.path, stage, suffix)
            state = part.collection == "state"
            if path in states if state else path in slots or path in parts:
                raise StageOrderError(
                    f"two stages of '{slot.path}' keep a leaf '{path}'",
                    parties=[slot.party("owner")],
                    ways=[f"name one of them:  {stage.name}(…, name='{stage.name}_2')"],
                )
            asked = Request(
                path,
                part.shape,
                part.dtype,
                collection=part.collection,
                asker=str(stage),
                site=slot.request.site,
                order=slot.request.order,
                stack=slot.stack,
                value=jax.ShapeDtypeStruct(part.shape, part.dtype) if state else None,
            )
            (states if state else parts)[path] = Slot(
                asked, "owned", part_of=slot.path, stage=stage.label, frozen=part.frozen or frozen
            )
            where[stage.label, suffix] = path
        specs[stage.label] = spec
        spec, frozen = given, frozen or stage.freezes
    return spec, frozen


def begin(slot: Slot, stages: Sequence[Stage], value: Any, draw: Callable[[str], Any]) -> dict[str, Any]:
    """What is stored at first, where an initialiser made `value`: path → array, of one layer.

    Args:
      slot: whose stages they are.
      stages: the owner's, or those of one use, whose own leaves only are made.
      value: the weight.
      draw: path of a leaf → its random key, or None.

    Raises:
      MissingRNGError: a leaf is drawn, and there is no key.
    """
    made: dict[str, Any] = {}
    for stage in reversed(stages):

        def key(suffix: str = "", stage: Stage = stage) -> Any:
            found = draw(part_path(slot.path, stage, suffix))
            if found is None:
                raise missing_key("init(jax.random.key(0), …)", slot.party("owner"))
            return made_key(found)

        value, parts = stage.begin(value, key)
        made.update({slot.parts[stage.label, suffix]: array for suffix, array in parts.items()})
    if stages is slot.stages:
        made[slot.path] = value
    return made


def part_path(path: str, stage: Stage, suffix: str) -> str:
    """The path of a stage's leaf: `head/w.lora.down`."""
    return f"{path}.{stage.label}.{suffix}"
