"""Which stages a slot has: what its request, the modules around it and the model say, and what its owner has."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from tenure.core import errors
from tenure.core.errors import TenureError, nearest
from tenure.core.keys import made_key, missing_key
from tenure.core.notation import paths
from tenure.core.notation.stage import PENALTY, STOCHASTIC, STRUCTURAL, Misfit, OnUse, Spec, Stage
from tenure.core.slots.slot import Slot, Slots
from tenure.core.slots.stage_rules import Rule, Rules

_RANK = {STRUCTURAL: 0, STOCHASTIC: 1, PENALTY: 2}


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
    if not rules and not any(slot.asked_stages for slot in slots.values()):
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
    asked = list(slots)
    for path in asked:
        if slots[path].staged:
            slots[path] = _with_parts(slots[path], slots, states)
    return {p: slots[p] for path in asked for p in (path, *slots[path].parts.values()) if p in slots}


def _owner_staged(slot: Slot, found: Sequence[Rule]) -> Slot:
    """An owner, or a given value, with the stages that its request and the rules say."""
    every, notes = _combined([slot.asked_stages, *(rule.stages for rule in found)])
    _check_skipped(every, slot, found)
    every = [stage for stage in every if _inner(stage).applies(slot.spec)]
    if not (every or notes):
        return slot
    stages = tuple(s for s in every if not isinstance(s, OnUse))
    uses = tuple(s.inner for s in every if isinstance(s, OnUse))
    for stage in stages + uses if slot.kind == "given" else ():
        if stage.kind == STRUCTURAL or stage.parts(slot.spec):
            raise errors.StageShapeError(
                f"'{slot.path}' is given a computed value, of which '{stage}' can store nothing",
                parties=[slot.party("given")],
                ways=["put the stage on the parameters that the value is computed from", "own the parameter"],
            )
    return dataclasses.replace(slot, stages=stages, use_stages=uses, notes=slot.notes + notes)


def _borrower_staged(slot: Slot, found: Sequence[Rule], slots: Slots, rules: Rules) -> Slot:
    """A borrower with the stages of its own use.

    Args:
      slot: the borrower.
      found: the rules for its path, inner ones first.
      slots: all of them, the owners with their stages.
      rules: what `stages=` says.

    Raises:
      BorrowerStageError: a stage is neither the owner's nor declared for this use.
    """
    inner = [slot.asked_stages, *(rule.stages for rule in found if rule.module is not None)]
    outer = [tuple(s for s in rule.stages if isinstance(s, OnUse)) for rule in found if rule.module is None]
    every, notes = _combined([*inner, *outer])
    if not (every or notes):
        return slot
    _check_skipped([s for s in every if isinstance(s, OnUse)], slot, found)
    uses: list[Stage] = []
    for stage in every:
        lacking = [] if isinstance(stage, OnUse) else _owners_without(stage, slot, slots)
        if lacking and rules.on_borrowed != "stack":
            raise _not_of_the_owner(stage, slot, *lacking[0])
        if not lacking and not isinstance(stage, OnUse):
            notes += (f"{stage.label}: same as owner",)
        elif _inner(stage).applies(slot.spec):
            uses.append(_inner(stage))
    return dataclasses.replace(slot, use_stages=tuple(uses), notes=slot.notes + notes)


def _inner(stage: Stage) -> Stage:
    return stage.inner if isinstance(stage, OnUse) else stage


def _check_skipped(every: Sequence[Stage], slot: Slot, found: Sequence[Rule]) -> None:
    """Raises if a stage that is asked for by this slot's own path has nothing to do with it; a glob may skip."""
    exact = [*slot.asked_stages, *(s for rule in found if not paths.is_glob(rule.glob) for s in rule.stages)]
    for stage in every:
        inner = _inner(stage)
        if stage in exact and not inner.applies(slot.spec):
            rules = [rule.party() for rule in found if stage in rule.stages]
            raise errors.StageShapeError(
                f"the stage '{stage}' is asked for '{slot.path}' by its path, and skips it: it is for parameters with "
                f"{inner.arguments['min_ndim']} axes or more, and {slot.shape} has {len(slot.shape)}",
                parties=[slot.party("user" if slot.kind == "borrowed" else "owner"), *rules[:1]],
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
    for stage in itertools.chain(*levels):
        if stage is None:
            found.clear()
            continue
        label = "on_use " * isinstance(stage, OnUse) + _inner(stage).label
        if label in found and found[label] != stage:
            notes.append(f"stages= overrides '{found[label]}' with '{stage}'")
        found[label] = stage
    return sorted(found.values(), key=lambda s: _RANK[s.kind]), tuple(notes)


def _owners_without(stage: Stage, slot: Slot, slots: Slots) -> list[tuple[Slot, str]]:
    """The owners of a borrower that do not apply the stage, or are tapped before they do; and the taps."""

    def seen(owner: Slot, tap: str) -> bool:
        return stage in owner.stages and tap != "stored" and not (tap and stage.kind == STOCHASTIC)

    return [(owner, tap) for owner, tap in _owners(slot, slots) if not seen(owner, tap)]


def _not_of_the_owner(stage: Stage, slot: Slot, owner: Slot, tap: str) -> TenureError:
    has = ", ".join(map(str, owner.stages)) or "no stages"
    tapped = f", and '{slot.path}' taps it before them at '@{tap}'" if tap and stage in owner.stages else ""
    on_owner = f"put it on the owner, for all users:  stages={{'{owner.path}': ['{stage}']}}"
    return errors.BorrowerStageError(
        f"'{slot.path}' has the stage '{stage}', which its owner does not apply: it has {has}{tapped}",
        parties=[slot.party("user", f"[{stage}]"), owner.party("owner", f"[{has}]")],
        ways=[
            f"take the tap away:  '{owner.path}'" if tapped else on_owner,
            f"for this use only:  tn.on_use({stage})",
            f"untie it:  ties={{'{slot.path}': tn.own}}, or share={{'{paths.split(slot.path)[1]}': None}}",
        ],
    )


def _owners(slot: Slot, slots: Slots) -> list[tuple[Slot, str]]:
    """The owners at the end of a slot's chain, and where they are tapped."""
    found, todo = [], [(slot, "")]
    while todo:
        slot, tap = todo.pop()
        if slot.target is None:
            found.append((slot, tap))
        todo += [(slots[ref.path], ref.tap or tap) for ref in reversed(slot.lenders)]
    return found


def _unused(rule: Rule, user: Slot | None, slots: Slots) -> TenureError:
    if user is None:
        return errors.UnusedStageError(
            f"the stages for '{rule.key}' select nothing",
            parties=[rule.party()],
            near=nearest(rule.glob, slots),
            ways=[
                "correct the path: '**' matches across '/', '*' within a name",
                "print(model.plan(…).ledger) shows all paths",
            ],
        )
    owner = _owners(user, slots)[0][0]
    return errors.RuleError(
        f"the stages for '{rule.key}' are written for '{user.path}', which is borrowed: stages go by owner",
        parties=[rule.party(), user.party("user"), owner.party("owner")],
        ways=[f"write it for the owner:  '{owner.path}'", f"for this use only:  '{rule.key}': [tn.on_use(…)]"],
    )


def _with_parts(slot: Slot, slots: Slots, states: Slots) -> Slot:
    """The slot with what must be stored for its stages: backwards from what is asked for.

    Args:
      slot: an owner with all its stages.
      slots, states: the parameters and the states so far, to which the leaves that the stages keep are added.
    """
    specs: dict[str, Spec] = {}
    where: dict[tuple[str, str], str] = {}
    leaf, frozen = slot.spec, False
    for stages in (slot.use_stages, slot.stages):
        leaf, frozen = slot.spec, False
        for stage in reversed(stages):
            try:
                given, kept = stage.stored(leaf), stage.parts(leaf)
            except Misfit as e:
                raise errors.StageShapeError(
                    f"the stage '{stage}' does not fit '{slot.path}': {e}",
                    parties=[slot.party("owner" if slot.kind == "owned" else "user")],
                    ways=["leave it out for this parameter: a narrower glob, or min_ndim=2", "choose other options"],
                ) from None
            for suffix, part in kept.items():
                path = where[stage.label, suffix] = part_path(slot.path, stage, suffix)
                table = states if part.collection == "state" else slots
                if path in table:
                    raise errors.StageOrderError(
                        f"two stages of '{slot.path}' keep a leaf '{path}'",
                        parties=[slot.party("owner")],
                        ways=[f"name one of them:  {stage.name}(…, name='{stage.name}_2')"],
                    )
                table[path] = Slot(
                    path,
                    part.shape,
                    part.dtype,
                    collection=part.collection,
                    asker=str(stage),
                    site=slot.site,
                    order=slot.order,
                    stack=slot.stack,
                    value=Spec(part.shape, part.dtype) if table is states else None,
                    part_of=slot.path,
                    stage=stage.label,
                    frozen=part.frozen or frozen,
                )
            specs[stage.label] = leaf
            leaf, frozen = given, frozen or stage.freezes
    return dataclasses.replace(slot, leaf=leaf, frozen=frozen, specs=specs, parts=where)


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
