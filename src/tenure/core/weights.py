"""Plain weights in and out of what stages store, penalties, and adapters merged: pure functions on plans and params."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tenure.core import hoist, paths, staging, values
from tenure.core.errors import (
    MergeError,
    NoInverseError,
    ParameterShapeError,
    Party,
    RuleError,
    UnknownStageError,
    brief,
    nearest,
)
from tenure.core.frame import Frame
from tenure.core.plan import Plan
from tenure.core.slot import Slot
from tenure.core.stage import STRUCTURAL, Irreversible, Run, Spec, Stage, on_use, read
from tenure.core.transform import offline
from tenure.core.trees import Tree, copied, in_trees, leaf, nest, put

Params = Mapping[str, Mapping[str, Any]]


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


def weights(plan: Plan, params: Params, state: Params | None = None) -> Tree:
    """Each owner's plain weight: what its stages make of what is stored, before noise and dropout.

    Args:
      plan: the model's.
      params: its parameters.
      state: its state, where stages keep some.

    Returns:
      `{module: {name: array}}`, without the leaves that belong to stages.
    """
    frame = offline(plan, params, state)
    return nest({s.path: _weight(frame, s) for s in _owners(plan)})


def penalty(plan: Plan, params: Params, state: Params | None = None) -> jax.Array:
    """The sum of all penalties that stages declare: each owner's once, whoever uses it. A scalar.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> from tenure import nn
    >>> def f(x):
    ...     first = nn.Linear(4, name="first", w_init=jnp.ones)
    ...     return nn.Linear(4, name="second", share={"w": first.ref("w").T})(first(x))
    >>> model = tn.transform(f, stages={"**/w": [tn.stages.L2(0.5)]})
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> tn.penalty(plan, params)
    Array(8., dtype=float32)
    """
    frame = offline(plan, params, state)
    terms = []
    for slot in plan.slots.values():
        for stages, value in (
            (slot.stages, functools.partial(_weight, frame, slot)),
            (slot.use_stages, functools.partial(values.evaluate, frame, slot.path, hoist.WEIGHT)),
        ):
            found = [s for s in stages if type(s).penalty is not Stage.penalty]
            terms += [_penalty(frame, slot, stage, value()) for stage in found]
    return sum(terms, jnp.zeros(()))


def _penalty(frame: Frame, slot: Slot, stage: Stage, value: Any) -> Any:
    one: Callable[..., Any] = stage.penalty
    for _ in slot.stack:
        one = (lambda inner: lambda v, p: jnp.sum(jax.vmap(inner)(v, p)))(one)
    return one(value, _parts(frame, slot, stage))


def assign(plan: Plan, params: Params, new: Mapping[str, Any], state: Params | None = None) -> Any:
    """Stores what gives the owners these plain weights: through the inverse of their structural stages.

    Args:
      plan: the model's.
      params: its parameters as they are.
      new: an owner's path → its weight.
      state: its state, where stages keep some.

    Returns:
      The params; (params, state) if a state was given.

    Raises:
      NoInverseError: a stage has no way back, or not to this weight.
      ParameterShapeError: the weight has another shape.
      RuleError: the path is a borrower's, or a stage's leaf.
    """
    params, state = copied(params), copied(state) if state is not None else None
    frame = offline(plan, params, state)
    for path, value in new.items():
        slot = plan.slots[_owner(plan, path)]
        _check_weight(slot, value)
        for where, array in _backwards(frame, slot, slot.stages, jnp.asarray(value, _kept_dtype(params, slot))).items():
            table = params if where in plan.slots else state
            if table is None:
                raise NoInverseError(
                    f"'{where}' is state, and assign was given none", ways=["tn.assign(plan, params, {…}, state)"]
                )
            put(table, where, array)
    return params if state is None else (params, state)


def merge(
    plan: Plan,
    params: Params,
    path: str,
    stage: str = "lora",
    opt_state: Any = None,
    *,
    state: Params | None = None,
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
    """
    slot = plan.slots[plan.ledger[path].path]
    own, use = _labels(slot.stages), _labels(slot.use_stages)
    if stage in use and (slot.kind == "borrowed" or len(plan.ledger.users_of(slot.path)) > 1):
        raise _for_one_use(plan, slot, slot.use_stages[use.index(stage)])
    if stage not in own + use:
        raise _no_stage(plan, slot, stage)
    stages = slot.stages if stage in own else slot.use_stages
    chosen = stages[_labels(stages).index(stage)]
    if chosen.kind != STRUCTURAL:
        raise MergeError(
            f"'{chosen}' is no part of what '{slot.path}' is: it acts in training only",
            parties=[slot.party("owner")],
            ways=["leave it out: tn.evaluation(model) does"],
        )
    before = stages[: stages.index(chosen)] if stage in own else slot.stages
    frame = offline(plan, params, state)
    value = _through(frame, slot, before, leaf(params, slot.path))
    merged = _through(frame, slot, (chosen,), value)
    kept = [s for s in slot.stages if not (s is chosen and stage in own)]
    uses = [s for s in slot.use_stages if not (s is chosen and stage not in own)]
    return _restaged(plan, params, slot, _stored_for(frame, slot, before, merged), kept, uses, opt_state)


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
    """
    slot, stage = plan.slots[_owner(plan, path)], read(stage)
    frame = offline(plan, params, state)
    weight = _weight(frame, slot)
    specs = stage.parts(Spec(slot.shape, slot.dtype))
    if specs.keys() != removed.keys():
        raise MergeError(
            f"'{stage}' keeps {', '.join(specs) or 'nothing'}, and was given {', '.join(removed) or 'nothing'}",
            parties=[slot.party("owner")],
            ways=["give it merge(…).removed"],
        )
    structural = [s for s in slot.stages if s.kind == STRUCTURAL]
    value, _ = _step_back(slot, stage, weight, dict(removed))
    made = _backwards(frame, slot, structural, value)
    further = {staging.part_path(slot.path, stage, suffix): array for suffix, array in removed.items()}

    def change(tree: Params, zeros: bool) -> Tree:
        new = copied(tree)
        for where, array in {**({} if zeros else made), **further}.items():
            put(new, where, jnp.zeros_like(array) if zeros else array)
        return new

    rest = [s for s in slot.stages if s.kind != STRUCTURAL]
    stages = _rules(plan, slot, (*structural, stage, *rest))
    changed = in_trees(opt_state, params, lambda tree: change(tree, True))
    return Restaged(stages, change(params, False), changed, {})


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
    """
    found = [p for p in plan.ledger.select(glob) if any(s.packed() for s in plan.slots[p].stages)]
    if not found:
        raise UnknownStageError(
            f"no owner that '{glob}' selects has a stage that packs, such as 'quantise'",
            ways=["stages={'**/w': [tn.stages.Quantise(8)]}, and train it, or not", "then pack"],
        )
    stages, new = dict(plan.stages), copied(params)
    for path in found:
        slot = plan.slots[path]
        index, packed = next((i, p) for i, s in enumerate(slot.stages) if (p := s.packed()) is not None)
        before = slot.stages[:index]
        frame = offline(plan, params, state)
        value = _through(frame, slot, before, leaf(params, path))
        stored, parts = _layered(lambda v, _, packed=packed: packed.begin(v, lambda _: None), slot)(value, {})
        gone = [where for (label, _), where in slot.parts.items() if label in _labels(before)]
        added = {path: stored, **{staging.part_path(path, packed, k): v for k, v in parts.items()}}
        kept = (packed, *slot.stages[index + 1 :])
        stages = {**_rules(plan, slot, kept), **{k: v for k, v in stages.items() if k != path}}
        new, opt_state = (
            _replace(new, added, gone),
            in_trees(opt_state, new, functools.partial(_replace, added=jax.tree.map(jnp.zeros_like, added), gone=gone)),
        )
    return Restaged(stages, new, opt_state, {})


def activate(plan: Plan, params: Params, adapters: str | Mapping[str, Any] | None, glob: str = "**") -> Tree:
    """Opens the gates of the named adapters and closes the others: values only, so nothing is traced again.

    Args:
      plan: the model's.
      params: its parameters.
      adapters: one name, names → strengths, or None for no adapter.
      glob: of the owners (or users) to change.

    Raises:
      UnknownStageError: no switchable adapter of that name.
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
    new = copied(params)
    for path, label in gates.items():
        old = leaf(new, path)
        put(new, path, jnp.full_like(old, chosen.get(label, 0.0)))
    return new


def partition(params: Params, mask: Mapping[str, Mapping[str, bool]]) -> tuple[Tree, Tree]:
    """The leaves where the mask is True, and the others: to differentiate with respect to the first only.

    >>> chosen, rest = partition({"a": {"w": 1, "b": 2}}, {"a": {"w": True, "b": False}})
    >>> chosen, rest, combine(chosen, rest) == {"a": {"w": 1, "b": 2}}
    ({'a': {'w': 1}}, {'a': {'b': 2}}, True)
    """
    sides: tuple[Tree, Tree] = {}, {}
    for module, entries in params.items():
        for name, value in entries.items():
            sides[0 if mask[module][name] else 1].setdefault(module, {})[name] = value
    return sides


def combine(*trees: Params) -> Tree:
    """The way back from `partition`."""
    new: Tree = {}
    for tree in trees:
        for module, entries in tree.items():
            new.setdefault(module, {}).update(entries)
    return new


def _owners(plan: Plan) -> list[Slot]:
    return [s for s in plan.slots.values() if s.kind == "owned" and not s.part_of]


def _owner(plan: Plan, path: str) -> str:
    row = plan.ledger[path]
    if row.kind != "owned" or row.part_of:
        owner = plan.ledger[row.part_of or row.owners[0]]
        raise RuleError(
            f"'{row.path}' is {'a leaf of a stage' if row.part_of else row.kind}: plain weights belong to owners",
            parties=[row.party("slot"), owner.party("owner")],
            ways=[f"use the owner's path:  '{owner.path}'"],
        )
    return row.path


def _kept_dtype(params: Params, slot: Slot) -> Any:
    """Of a weight to be stored: params that were cast stay as they are; whole numbers are made of the slot's."""
    stored = leaf(params, slot.path).dtype
    return stored if jnp.issubdtype(stored, jnp.floating) else slot.dtype


def _labels(stages: Any) -> list[str]:
    return [s.label for s in stages]


def _weight(frame: Frame, slot: Slot) -> Any:
    if not slot.stages:
        return values.leaf(frame, slot)
    return hoist.produce(frame, hoist.Want(slot.path, hoist.WEIGHT, True))


def _parts(frame: Frame, slot: Slot, stage: Stage) -> dict[str, Any]:
    found = {suffix: path for (label, suffix), path in slot.parts.items() if label == stage.label}
    return {suffix: values.part(frame, slot, path) for suffix, path in found.items()}


def _layered(function: Callable[..., Any], slot: Slot) -> Callable[..., Any]:
    """A function of (value, parts), for each layer of the stacks one after the other, so that it can check values."""
    run = function
    for _, size in reversed(slot.stack):
        run = functools.partial(_each, run, size)
    return run


def _each(run: Callable[..., Any], size: int, value: Any, parts: Any) -> Any:
    outs = [run(value[i], jax.tree.map(lambda a, i=i: a[i], parts)) for i in range(size)]
    return jax.tree.map(lambda *arrays: jnp.stack(arrays), *outs)


def _no_draw() -> jax.Array:
    raise AssertionError("a stage draws although it is asked not to")


def _through(frame: Frame, slot: Slot, stages: Any, value: Any) -> Any:
    for stage in stages:
        run = Run(True, False, _no_draw, slot.specs[stage.label])
        step = _layered(lambda v, p, stage=stage, run=run: stage.forward(v, p, run), slot)
        value = step(value, _parts(frame, slot, stage)) if stage.kind == STRUCTURAL else value
    return value


def _step_back(slot: Slot, stage: Stage, value: Any, parts: Any) -> tuple[Any, dict[str, Any]]:
    try:
        return _layered(stage.assign, slot)(value, parts)
    except Irreversible as e:
        raise NoInverseError(
            f"'{slot.path}' can not be given this weight: {e}",
            parties=[slot.party("owner"), Party("stage", str(stage))],
            ways=["give it a weight that the stage can make", "leave the stage out, and put it back after training"],
        ) from None


def _backwards(frame: Frame, slot: Slot, stages: Any, value: Any) -> dict[str, Any]:
    """What must be stored, by path, so that these stages give `value`."""
    made: dict[str, Any] = {}
    for stage in reversed(stages):
        value, parts = _step_back(slot, stage, value, _parts(frame, slot, stage))
        made.update({slot.parts[stage.label, suffix]: array for suffix, array in parts.items()})
    return {slot.path: value, **made}


def _check_weight(slot: Slot, value: Any) -> None:
    wanted = tuple(n for _, n in slot.stack) + slot.shape
    if jnp.shape(value) != wanted:
        raise ParameterShapeError(
            f"'{slot.path}' needs {wanted} but is given {jnp.shape(value)}",
            parties=[slot.party("owner"), Party("given", slot.path, str(jnp.shape(value)))],
            ways=["give a weight of the owner's shape; through a view:  tn.views.parse('transpose')(value)"],
        )


def _stored_for(frame: Frame, slot: Slot, before: Any, merged: Any) -> dict[str, Any]:
    try:
        return _backwards(frame, slot, [s for s in before if s.kind == STRUCTURAL], merged)
    except NoInverseError as e:
        raise MergeError(
            f"the merged weight does not fit what comes before it: {e.rule}",
            parties=e.parties,
            ways=["merge that stage first"],
        ) from None


def _restaged(
    plan: Plan, params: Params, slot: Slot, made: dict[str, Any], kept: Any, uses: Any, opt_state: Any
) -> Restaged:
    labels = _labels(kept) + _labels(uses)
    gone = {w: path for w, path in slot.parts.items() if w[0] not in labels}
    removed = {suffix: leaf(params, path) for (_, suffix), path in gone.items() if path in plan.slots}

    def change(tree: Params, values_too: bool) -> Tree:
        return _replace(tree, made if values_too else {}, list(gone.values()))

    stages = _rules(plan, slot, (*kept, *map(on_use, uses)))
    changed = in_trees(opt_state, params, lambda tree: change(tree, False))
    return Restaged(stages, change(params, True), changed, removed)


def _replace(tree: Params, added: Mapping[str, Any], gone: list[str]) -> Tree:
    new: Tree = {}
    for module, entries in tree.items():
        for name, value in entries.items():
            if paths.join(module, name) not in gone:
                new.setdefault(module, {})[name] = value
    for where, array in added.items():
        put(new, where, array)
    return new


def _rules(plan: Plan, slot: Slot, stages: Any) -> dict[str, Any]:
    """The model's `stages=` in which this slot's are the given ones, whatever the model's code says."""
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


__all__ = [
    "Restaged",
    "activate",
    "assign",
    "combine",
    "merge",
    "pack",
    "partition",
    "penalty",
    "unmerge",
    "weights",
]
