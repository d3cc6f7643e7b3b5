"""Plain weights in and out of what stages store, and penalties: pure functions on plans and params."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import NoInverseError, ParameterShapeError, Party, RuleError, brief
from tenure.core.notation.stage import STRUCTURAL, Irreversible, Run, Stage
from tenure.core.run import values
from tenure.core.run.frame import Frame
from tenure.core.run.values import evaluate, offline
from tenure.core.slots.plan import Plan
from tenure.core.slots.slot import Slot
from tenure.core.slots.table import WEIGHT
from tenure.core.trees import Params, Tree, copied, leaf, nest, put
from tenure.surgery.arguments import of_plan_and_params


@of_plan_and_params
def weights(plan: Plan, params: Params, state: Params | None = None) -> Tree:
    """Each owner's plain weight: what its stages make of what is stored, before noise and dropout.

    Args:
      plan: the model's.
      params: its parameters.
      state: its state, where stages keep some.

    Returns:
      `{module: {name: array}}`, without the leaves that belong to stages.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda x: tn.nn.Linear(3, with_bias=False)(x), stages={"**/w": ["weight_norm"]})
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> bool(jnp.allclose(tn.weights(plan, params)["linear"]["w"], model.apply(params, None, jnp.eye(4)), atol=1e-6))
    True
    """
    frame = offline(plan, params, state)
    owners = [s for s in plan.slots.values() if s.kind == "owned" and not s.part_of]
    return nest({s.path: evaluate(frame, s.path, WEIGHT) if s.stages else values.leaf(frame, s) for s in owners})


@of_plan_and_params
def penalty(plan: Plan, params: Params, state: Params | None = None) -> jax.Array:
    """The sum of all penalties that stages declare: each owner's once, whoever uses it. A scalar.

    Args:
      plan: of the model.
      params: of the model.
      state: of the model, where a penalty's stage keeps leaves there.

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
        if found := [s for s in (*slot.stages, *slot.use_stages) if type(s).penalty is not Stage.penalty]:
            weight = evaluate(frame, slot.path, WEIGHT)
            terms += [_penalty(frame, slot, stage, weight) for stage in found]
    return sum(terms, jnp.zeros(()))


def _penalty(frame: Frame, slot: Slot, stage: Stage, value: Any) -> Any:
    one: Callable[..., Any] = stage.penalty
    for _ in slot.stack:
        one = jax.vmap(one)
    return jnp.sum(one(value, parts_of(frame, slot, stage)))


@of_plan_and_params
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

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda x: tn.nn.Linear(3, with_bias=False)(x), stages={"**/w": ["weight_norm"]})
    >>> plan, params = model.plan(jnp.ones(4)), model.init(jax.random.key(0), jnp.ones(4))
    >>> new = tn.assign(plan, params, {"linear/w": jnp.ones((4, 3))})
    >>> bool(jnp.allclose(tn.weights(plan, new)["linear"]["w"], 1))
    True
    """
    params, state = copied(params), copied(state) if state is not None else None
    frame = offline(plan, params, state)
    for path, value in new.items():
        slot = plan.slots[owner_path(plan, path)]
        if not hasattr(value, "shape") or not hasattr(value, "dtype"):
            raise ParameterShapeError(
                f"the weight for '{path}' is {brief(value, 40)}, not an array",
                parties=[slot.party("owner")],
                ways=["jnp.asarray(value)"],
            )
        wanted = slot.layers + slot.shape
        if jnp.shape(value) != wanted:
            raise ParameterShapeError(
                f"'{slot.path}' needs {wanted} but is given {jnp.shape(value)}",
                parties=[slot.party("owner"), Party("given", slot.path, str(jnp.shape(value)))],
                ways=["give a weight of the owner's shape; through a view:  tn.views.parse('transpose')(value)"],
            )
        for where, array in backwards(frame, slot, slot.stages, jnp.asarray(value, _kept_dtype(params, slot))).items():
            table = params if where in plan.slots else state
            if table is None:
                raise NoInverseError(
                    f"'{where}' is state, and assign was given none", ways=["tn.assign(plan, params, {…}, state)"]
                )
            put(table, where, array)
    return params if state is None else (params, state)


def owner_path(plan: Plan, path: str) -> str:
    """The path of an owner, as the ledger spells it.

    Raises:
      RuleError: it is a borrower's, or a stage's leaf.
    """
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


def parts_of(frame: Frame, slot: Slot, stage: Stage) -> dict[str, Any]:
    """What a stage keeps for a slot, by its own names.

    Args:
      frame: the run to read them in.
      slot: the owner.
      stage: one of the slot's.
    """
    mine = ((suffix, path) for (label, suffix), path in slot.parts.items() if label == stage.label)
    return {suffix: values.part(frame, slot, path) for suffix, path in mine}


def layered(function: Callable[..., Any], slot: Slot) -> Callable[..., Any]:
    """A function of (value, parts), for each layer of the stacks one after the other, so that it can check values.

    Args:
      function: of one layer's value and parts.
      slot: whose stacks they are; without any, the function is returned as it is.
    """
    run = function
    for _, size in reversed(slot.stack):
        run = functools.partial(_each, run, size)
    return run


def _each(run: Callable[..., Any], size: int, value: Any, parts: Any) -> Any:
    outs = [run(value[i], jax.tree.map(lambda a, i=i: a[i], parts)) for i in range(size)]
    return jax.tree.map(lambda *arrays: jnp.stack(arrays), *outs)


def _no_draw() -> jax.Array:
    raise AssertionError("a stage draws although it is asked not to")


def through(frame: Frame, slot: Slot, stages: Any, value: Any) -> Any:
    """What the structural ones among some stages make of a value.

    Args:
      frame: the model's params, to read parts from.
      slot: the value's.
      stages: of the slot, in order.
      value: what the first of them is given.
    """
    for stage in stages:
        run = Run(True, False, _no_draw, slot.specs[stage.label])
        step = layered(lambda v, p, stage=stage, run=run: stage.forward(v, p, run), slot)
        value = step(value, parts_of(frame, slot, stage)) if stage.kind == STRUCTURAL else value
    return value


def step_back(slot: Slot, stage: Stage, value: Any, parts: Any) -> tuple[Any, dict[str, Any]]:
    """What a stage takes to give `value`: its input, and its parts.

    Args:
      slot: the weight's.
      stage: one of the slot's.
      value: what the stage is to give.
      parts: the stage's leaves as they are now, by its own names.

    Raises:
      NoInverseError: there is no way back.
    """
    try:
        return layered(stage.assign, slot)(value, parts)
    except Irreversible as e:
        raise NoInverseError(
            f"'{slot.path}' can not be given this weight: {e}",
            parties=[slot.party("owner"), Party("stage", str(stage))],
            ways=["give it a weight that the stage can make", "leave the stage out, and put it back after training"],
        ) from None


def backwards(frame: Frame, slot: Slot, stages: Any, value: Any) -> dict[str, Any]:
    """What must be stored, by path, so that these stages give `value`.

    Args:
      frame: the model's params, to read parts from.
      slot: the weight's.
      stages: of the slot, in order.
      value: what the last of them is to give.
    """
    made: dict[str, Any] = {}
    for stage in reversed(stages):
        value, parts = step_back(slot, stage, value, parts_of(frame, slot, stage))
        made.update({slot.parts[stage.label, suffix]: array for suffix, array in parts.items()})
    return {slot.path: value, **made}


__all__ = ["assign", "penalty", "weights"]
