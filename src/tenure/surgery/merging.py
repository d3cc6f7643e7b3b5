"""Stages taken from weights and put back: merge, unmerge, pack, activate. Pure functions on plans and params."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tenure.core.errors import MergeError, NoInverseError, UnknownStageError, brief, nearest
from tenure.core.notation import paths
from tenure.core.notation.stage import STRUCTURAL, Spec, Stage, on_use, read
from tenure.core.run.values import evaluate, offline
from tenure.core.slots import staging
from tenure.core.slots.plan import Plan
from tenure.core.slots.slot import Slot
from tenure.core.slots.table import WEIGHT
from tenure.core.trees import Params, Tree, copied, in_trees, leaf, replaced
from tenure.surgery.arguments import of_plan_and_params
from tenure.surgery.weights import backwards, layered, owner_path, step_back, through


class Restaged(NamedTuple):
    """What `merge`, `unmerge` and `pack` return: for `tn.transform(f, stages=stages)`, `apply(params, …)`, the optimizer.

    Attributes:
      stages: the model's, with the change.
      params: with the change; the weight is the same.
      opt_state: any pytree; where it holds trees like `params`, their entries come and go likewise.
      removed: the leaves that went, by the part's name: what `unmerge` needs.
    """

    stages: dict[str, Any]
    params: Tree
    opt_state: Any
    removed: dict[str, Any]


@of_plan_and_params
def merge(
    plan: Plan, params: Params, path: str, stage: str = "lora", opt_state: Any = None, *, state: Params | None = None
) -> Restaged:
    """Puts what a stage adds to a weight into what is stored, and takes the stage away. All users see the same as before.

    Args:
      plan, params: the model's.
      path: the owner's.
      stage: the stage's name there.
      opt_state: where it holds trees like `params`, the stage's leaves go.
      state: the model's, where stages keep some.

    Raises:
      MergeError: the stage is for one use of a weight that others use too, or is none of the weight's.

    Returns:
      The rules `stages=` of the model without the stage, its params and optimizer state, and the leaves that went.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda x: tn.nn.Linear(3, with_bias=False)(x), stages={"**/w": ["lora(2)"]})
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> merged = tn.merge(plan, params, "linear/w")
    >>> sorted(params["linear"]), sorted(merged.params["linear"]), merged.stages["linear/w"]
    (['w', 'w.lora.down', 'w.lora.up'], ['w'], [None])
    """
    slot = plan.slots[plan.ledger[path].path]
    own, use = _labels(slot.stages), _labels(slot.use_stages)
    if stage in use and (slot.kind == "borrowed" or len(plan.ledger.users_of(slot.path)) > 1):
        raise _for_one_use(plan, slot, slot.use_stages[use.index(stage)])
    if stage not in own + use:
        raise _no_stage(plan, slot, stage)
    kept, uses = list(slot.stages), list(slot.use_stages)
    at = own.index(stage) if stage in own else use.index(stage)
    before, chosen = (slot.stages[:at], kept.pop(at)) if stage in own else (slot.stages, uses.pop(at))
    if chosen.kind != STRUCTURAL:
        raise MergeError(
            f"'{chosen}' is no part of what '{slot.path}' is: it acts in training only",
            parties=[slot.party("owner")],
            ways=["leave it out: tn.evaluation(model) does"],
        )
    frame = offline(plan, params, state)
    merged = through(frame, slot, (*before, chosen), leaf(params, slot.path))
    try:
        made = backwards(frame, slot, [s for s in before if s.kind == STRUCTURAL], merged)
    except NoInverseError as e:
        rule = f"the merged weight does not fit what comes before it: {e.rule}"
        raise MergeError(rule, parties=e.parties, ways=["merge that stage first"]) from None
    known = _labels(kept) + _labels(uses)
    gone = {path: suffix for (label, suffix), path in slot.parts.items() if label not in known}
    removed = {suffix: leaf(params, path) for path, suffix in gone.items() if path in plan.slots}
    stages = _rules(plan, slot, (*kept, *map(on_use, uses)))
    changed = in_trees(opt_state, params, lambda tree: replaced(tree, {}, gone))
    return Restaged(stages, replaced(params, made, gone), changed, removed)


@of_plan_and_params
def unmerge(
    plan: Plan,
    params: Params,
    path: str,
    stage: Any,
    removed: Mapping[str, Any],
    opt_state: Any = None,
    *,
    state: Params | None = None,
) -> Restaged:
    """The way back from `merge`: the stage stands last among the structural ones again, and the weight stays as it is.

    Args:
      plan, params: of the model without the stage.
      path: the owner's.
      stage: to put back.
      removed: its leaves, as `merge` returned them.
      opt_state: where it holds trees like `params`, zeros are added for the leaves.
      state: the model's, where stages keep some.

    Raises:
      UnknownSlotError: there is no such owner.
      StageSyntaxError, UnknownStageError: `stage` is none.
      MergeError: `removed` lacks a leaf of the stage.
      NoInverseError: no stored value gives the weight through the stage.

    Returns:
      The rules `stages=` of the model with the stage, its params and its optimizer state.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda x: tn.nn.Linear(3, with_bias=False)(x), stages={"**/w": ["lora(2)"]})
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> merged = tn.merge(plan, params, "linear/w")
    >>> plain = tn.transform(lambda x: tn.nn.Linear(3, with_bias=False)(x), stages=merged.stages).plan(jnp.ones(4))
    >>> again = tn.unmerge(plain, merged.params, "linear/w", "lora(2)", merged.removed)
    >>> sorted(again.params["linear"]) == sorted(params["linear"])
    True
    """
    slot, stage = plan.slots[owner_path(plan, path)], read(stage)
    frame = offline(plan, params, state)
    weight = evaluate(frame, slot.path, WEIGHT)
    specs = stage.parts(Spec(slot.shape, slot.dtype))
    if specs.keys() != removed.keys():
        raise MergeError(
            f"'{stage}' keeps {', '.join(specs) or 'nothing'}, and was given {', '.join(removed) or 'nothing'}",
            parties=[slot.party("owner")],
            ways=["give it merge(…).removed"],
        )
    structural = [s for s in slot.stages if s.kind == STRUCTURAL]
    value, _ = step_back(slot, stage, weight, dict(removed))
    further = {staging.part_path(slot.path, stage, suffix): array for suffix, array in removed.items()}
    made, zeros = backwards(frame, slot, structural, value) | further, jax.tree.map(jnp.zeros_like, further)
    rest = [s for s in slot.stages if s.kind != STRUCTURAL]
    stages = _rules(plan, slot, (*structural, stage, *rest))
    changed = in_trees(opt_state, params, lambda tree: replaced(tree, zeros, ()))
    return Restaged(stages, replaced(params, made, ()), changed, {})


@of_plan_and_params
def pack(
    plan: Plan, params: Params, glob: str = "**", opt_state: Any = None, *, state: Params | None = None
) -> Restaged:
    """Stores weights in the form for inference that a stage has: `quantise` becomes `quantise(packed=True)`.

    What comes before it in the list of stages is put into the numbers.

    Args:
      plan, params: the model's.
      glob: of the owners.
      opt_state: where it holds trees like `params`, zeros stand for what is packed.
      state: the model's, where stages keep some.

    Raises:
      UnknownStageError: no owner that the glob selects has a stage with such a form.

    Returns:
      The rules `stages=` of the packed model, its params and its optimizer state.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda x: tn.nn.Linear(3, with_bias=False)(x), stages={"**/w": ["quantise(8)"]})
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> tn.pack(plan, params).params["linear"]["w"].dtype
    dtype('int8')
    """
    found = [p for p in plan.ledger.select(glob) if any(s.packed() for s in plan.slots[p].stages)]
    if not found:
        raise UnknownStageError(
            f"no owner that '{glob}' selects has a stage that packs, such as 'quantise'",
            ways=["stages={'**/w': [tn.stages.Quantise(8)]}, and train it, or not", "then pack"],
        )
    stages, new, frame = dict(plan.stages), copied(params), offline(plan, params, state)
    for path in found:
        slot = plan.slots[path]
        index, packed = next((i, p) for i, s in enumerate(slot.stages) if (p := s.packed()) is not None)
        before = slot.stages[:index]
        value = through(frame, slot, before, leaf(params, path))
        stored, parts = layered(lambda v, _, packed=packed: packed.begin(v, lambda _: None), slot)(value, {})
        gone = [where for (label, _), where in slot.parts.items() if label in _labels(before)]
        added = {path: stored, **{staging.part_path(path, packed, k): v for k, v in parts.items()}}
        kept = (packed, *slot.stages[index + 1 :])
        stages = {**_rules(plan, slot, kept), **{k: v for k, v in stages.items() if k != path}}
        change = functools.partial(replaced, added=jax.tree.map(jnp.zeros_like, added), gone=gone)
        new, opt_state = replaced(new, added, gone), in_trees(opt_state, new, change)
    return Restaged(stages, new, opt_state, {})


@of_plan_and_params
def activate(plan: Plan, params: Params, adapters: str | Mapping[str, Any] | None, glob: str = "**") -> Tree:
    """Opens the gates of the named adapters and closes the others: values only, so nothing is traced again.

    Args:
      plan: the model's.
      params: its parameters.
      adapters: one name, names → strengths, or None for no adapter.
      glob: of the owners (or users) to change.

    Raises:
      UnknownStageError: no switchable adapter of that name.

    Returns:
      New params, of the same shapes.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> stages = {"**/w": [tn.stages.LoRA(2, name="french", switchable=True)]}
    >>> model = tn.transform(lambda x: tn.nn.Linear(3, with_bias=False)(x), stages=stages)
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> tn.activate(plan, params, None)["linear"]["w.french.gate"], tn.activate(plan, params, "french")["linear"]["w.french.gate"]
    (Array(0., dtype=float32), Array(1., dtype=float32))
    """
    chosen = {adapters: 1.0} if isinstance(adapters, str) else dict(adapters or {})
    gates = {
        path: label
        for slot in plan.slots.values()
        if paths.matches(glob, slot.path)
        for (label, suffix), path in slot.parts.items()
        if suffix == "gate"
    }
    known = dict.fromkeys(gates.values())
    for name in chosen:
        if name not in known:
            raise UnknownStageError(
                f"there is no switchable adapter {brief(name)}",
                near=nearest(str(name), known),
                ways=[f"adapters: {', '.join(known) or '(none)'}", "tn.stages.LoRA(4, name='french', switchable=True)"],
            )
    opened = {path: jnp.full_like(leaf(params, path), chosen.get(label, 0.0)) for path, label in gates.items()}
    return replaced(params, opened, ())


def _labels(stages: Any) -> list[str]:
    return [s.label for s in stages]


def _rules(plan: Plan, slot: Slot, stages: Any) -> dict[str, Any]:
    """The model's `stages=` in which this slot's are the given ones, whatever the model's code says.

    Args:
      plan: of the model as it is.
      slot: the owner, or the user.
      stages: all that the slot's value is to go through.
    """
    rest = {k: v for k, v in plan.stages.items() if paths.plain(k.removeprefix("/")) != paths.plain(slot.path)}
    return {slot.path: [None, *stages], **rest}


def _for_one_use(plan: Plan, slot: Slot, stage: Stage) -> MergeError:
    owners = plan.ledger.owners_of(slot.path)
    others = [u for u in plan.ledger.users_of(owners[0]) if u != slot.path]
    user = slot.path if slot.kind == "borrowed" else others[0]
    return MergeError(
        f"'{stage}' is for the use '{slot.path}' only, and merging it would change what {', '.join(others)} see",
        parties=[slot.party("user"), *(plan.slots[o].party("owner") for o in owners if o != slot.path)],
        ways=[
            f"give it a weight of its own first:  new = tn.untie(plan, params, '{user}'), then merge there",
            "put the adapter on the owner, for all users, before training",
        ],
    )


def _no_stage(plan: Plan, slot: Slot, stage: str) -> MergeError:
    owners = [o for o in plan.ledger.owners_of(slot.path) if stage in _labels(plan.slots[o].stages)]
    have = _labels(slot.stages) + _labels(slot.use_stages)
    return MergeError(
        f"'{slot.path}' has no stage {brief(stage)}",
        parties=[slot.party("slot", ", ".join(have) or "no stages"), *(plan.slots[o].party("owner") for o in owners)],
        near=nearest(stage, have),
        ways=[f"merge it on its owner:  '{o}'" for o in owners] or ["print(plan.ledger) shows the stages"],
    )
