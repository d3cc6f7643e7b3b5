"""Plain weights put through a model's stages while loading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.checkpoints.errors import ContentError, StagedFileError
from tenure.checkpoints.source import as_jax
from tenure.core.errors import Party
from tenure.core.slots import staging
from tenure.core.slots.plan import Plan
from tenure.core.trees import leaf, nest
from tenure.surgery.weights import assign


def assigner(plan: Plan, params: Mapping[str, Any] | None, state: Any) -> Callable[[str, Any], Mapping[str, Any]]:
    """A function that stores a plain weight: (owner's path, weight) → path → leaf, of params and of state.

    Through `tn.assign`, which refuses a weight that the stages can not make: an adapter among `params` stays as it is. Without
    them, stages begin from the weight as from an initialiser's, which those that draw random numbers can not.

    Args:
      plan: of the model.
      params: the model's, in which the weights are stored; None where there are none yet.
      state: the model's, where stages keep some.

    Raises:
      ContentError: (the returned function) the weight has another shape than the model's.
      NoInverseError: (the returned function) no stored value gives the weight.
    """

    def store(path: str, weight: Any) -> dict[str, Any]:
        slot = plan.slots[path]
        wanted = tuple(n for _, n in slot.stack) + slot.shape
        weight = as_jax(path, weight)
        if tuple(weight.shape) != wanted:
            raise ContentError(
                f"the weight of '{path}' is {wanted} in the model, and {tuple(weight.shape)} in the file",
                parties=[slot.party("owner"), Party("file", path, f"{tuple(weight.shape)} {weight.dtype}")],
                ways=["build the model with the sizes of the file"],
            )
        parts = [p for (label, _), p in slot.parts.items() if label in {s.label for s in slot.stages}]
        before, kept_state = params, state
        if before is None:
            made = begun(plan, path, weight)
            before, kept_state = (
                nest({p: v for p, v in made.items() if (p in plan.slots) is own}) for own in (True, False)
            )
        kept = assign(plan, before, {path: weight}, kept_state)
        tables = (kept, {}) if kept_state is None else kept
        return {p: leaf(tables[0 if p in plan.slots else 1], p) for p in [path, *parts]}

    return store


def weight_shapes(plan: Plan) -> dict[str, tuple[int, ...]]:
    """Owner's path → the shape of its weight, where stages may store it in another one, such as `low_rank`."""
    return {p: tuple(n for _, n in s.stack) + tuple(s.shape) for p, s in plan.slots.items() if s.stages}


def begun(plan: Plan, path: str, weight: jax.Array) -> dict[str, Any]:
    """What the stages of an owner store at first, where an initialiser made `weight`.

    Raises:
      StagedFileError: a stage draws random numbers at first.
    """
    slot = plan.slots[path]

    def refuse(where: str) -> Any:
        raise StagedFileError(
            f"'{where}' starts with random numbers, and the file has the plain weight of '{path}' only",
            parties=[slot.party("owner", ", ".join(map(str, slot.stages)))],
            ways=["give the values that stay:  params=model.init(key, …)"],
        )

    def one(value: jax.Array) -> dict[str, Any]:
        return staging.begin(slot, slot.stages, value, refuse)

    run: Callable[[Any], dict[str, Any]] = one
    for _ in slot.stack:
        run = jax.vmap(run)
    return run(jnp.asarray(weight, slot.dtype))
