"""Which stages a slot has: what its request, the modules around it and the model say, and what its owner has."""

from __future__ import annotations

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
from tenure.core.slots.slot import Slot
from tenure.core.slots.stage_rules import Rule, Rules

_RANK = {STRUCTURAL: 0, STOCHASTIC: 1, PENALTY: 2}
Slots = dict[str, Slot]


def resolve_stages(slots: Slots, states: Slots, rules: Rules) -> None:
    """Gives every slot its stages, and every stage its leaves, as slots beside the owner's.

    Raises:
      UnusedStageError, RuleError: a rule that selects nothing, or borrowers only.
      BorrowerStageError: a stage on a borrower that its owner does not have.
      StageShapeError, StageOrderError: stages that do not fit the parameter, or one another.
    """
    if not rules and not any(slot.asked for slot in slots.values()):
        return
    used: set[Rule] = set()
    borrowed: dict[Rule, Slot] = {}
    later = []
    for slot in slots.values():
        found = rules.of(slot.path)
        if slot.kind == "borrowed":
            later.append((slot, found))
            continue
        used.update(found)
        every = _combined(slot, [slot.asked, *(rule.stages for rule in found)])
        slot.stages = tuple(s for s in every if not isinstance(s, OnUse) and _applies(s, slot))
        slot.use_stages = tuple(s.inner for s in every if isinstance(s, OnUse) and _applies(s.inner, slot))
        if slot.kind == "given":
            _check_given(slot)
    for slot, found in later:
        inner = [slot.asked, *(rule.stages for rule in found if rule.module is not None)]
        outer = [tuple(s for s in rule.stages if isinstance(s, OnUse)) for rule in found if rule.module is None]
        used.update(rule for rule in found if rule.module is not None or rule.for_one_use)
        borrowed.update(dict.fromkeys(found, slot))
        every = _combined(slot, [*inner, *outer])
        slot.use_stages = tuple(s for s in (_on_borrower(s, slot, slots, rules) for s in every) if s is not None)
    for rule in rules.unused(used):
        raise _unused(rule, borrowed.get(rule), slots)
    for slot in list(slots.values()):
        if slot.stages or slot.use_stages:
            _add_parts(slot, slots, states)
    _reorder(slots)


def _combined(slot: Slot, levels: Sequence[tuple[Stage | None, ...]]) -> list[Stage]:
    """All levels' stages, inner first: an outer stage replaces the inner one of its name."""
    found: dict[str, Stage] = {}
    for level in levels:
        for stage in level:
            if stage is None:
                found.clear()
                continue
            label = f"on_use {stage.inner.label}" if isinstance(stage, OnUse) else stage.label
            if label in found and found[label] != stage:
                slot.notes.append(f"stages= overrides '{found[label]}' with '{stage}'")
            found[label] = stage
    return sorted(found.values(), key=lambda s: _RANK[s.kind])


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


def _on_borrower(stage: Stage, slot: Slot, slots: Slots, rules: Rules) -> Stage | None:
    """The stage of this use; None where it is the owner's already.

    Raises:
      BorrowerStageError: it is neither the owner's nor declared for this use.
    """
    if isinstance(stage, OnUse):
        return stage.inner if _applies(stage.inner, slot) else None
    owners = _owners(slot, slots, "")
    have = [
        stage in slots[owner].stages and not ((tap and stage.kind == STOCHASTIC) or tap == "stored")
        for owner, tap in owners
    ]
    if all(have):
        slot.notes.append(f"{stage.label}: same as owner")
        return None
    if rules.on_borrowed == "stack":
        return stage if _applies(stage, slot) else None
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
    if slot.target is None:
        return [(slot.path, tap)]
    refs = [slot.target, *slot.target.others()]
    return [found for ref in refs for found in _owners(slots[ref.path], slots, ref.tap or tap)]


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


def _add_parts(slot: Slot, slots: Slots, states: Slots) -> None:
    """Works backwards from what is asked for to what is stored, and records the leaves on the way."""
    spec = Spec(slot.shape, slot.dtype)
    _parts_of(slot, slot.use_stages, spec, slots, states)
    slot.leaf, slot.frozen = _parts_of(slot, slot.stages, spec, slots, states)


def _parts_of(slot: Slot, stages: Sequence[Stage], spec: Spec, slots: Slots, states: Slots) -> tuple[Spec, bool]:
    frozen = False
    for stage in reversed(stages):
        try:
            given = stage.stored(spec)
            parts = stage.parts(spec)
        except Misfit as e:
            raise StageShapeError(
                f"the stage '{stage}' does not fit '{slot.path}': {e}",
                parties=[slot.party("owner" if slot.kind == "owned" else "user")],
                ways=["leave it out for this parameter: a narrower glob, or min_ndim=2", "choose other options"],
            ) from None
        for suffix, part in parts.items():
            path = part_path(slot.path, stage, suffix)
            table = slots if part.collection == "params" else states
            if path in table:
                raise StageOrderError(
                    f"two stages of '{slot.path}' keep a leaf '{path}'",
                    parties=[slot.party("owner")],
                    ways=[f"name one of them:  {stage.name}(…, name='{stage.name}_2')"],
                )
            new = Slot(path, "owned", part.shape, part.dtype, site=slot.site, asker=str(stage), stack=slot.stack)
            new.order, new.part_of, new.stage, new.collection = slot.order, slot.path, stage.label, part.collection
            new.frozen = part.frozen or frozen
            new.value = jax.ShapeDtypeStruct(part.shape, part.dtype) if part.collection == "state" else None
            table[path] = new
            slot.parts[stage.label, suffix] = path
        slot.specs[stage.label] = spec
        spec, frozen = given, frozen or stage.freezes
    return spec, frozen


def begin(slot: Slot, stages: Sequence[Stage], value: Any, draw: Callable[[str], Any]) -> dict[str, Any]:
    """What is stored at first, where an initialiser made `value`: path → array, of one layer.

    Args:
      slot: whose stages they are.
      stages: the owner's, or those of one use, whose own leaves only are made.
      value: the weight.
      draw: path of a leaf → its random key, or None.
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


def _reorder(slots: Slots) -> None:
    """Each leaf of a stage right after its owner."""
    parts: dict[str, list[str]] = {}
    for path, slot in slots.items():
        if slot.part_of:
            parts.setdefault(slot.part_of, []).append(path)
    order = [p for path, slot in slots.items() if not slot.part_of for p in (path, *parts.get(path, ()))]
    ordered = {path: slots[path] for path in order}
    slots.clear()
    slots.update(ordered)


__all__ = ["begin", "part_path", "resolve_stages"]
