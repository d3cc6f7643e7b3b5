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
from tenure.core.trees import leaf
from tenure.surgery.weights import assign


def assigner(plan: Plan, params: Mapping[str, Any] | None, state: Any) -> Callable[[str, Any], Mapping[str, Any]]:
    """A function that stores a plain weight: (owner's path, weight) → path → leaf, of params and of state.

    With `params`, through `tn.assign`: an adapter among them stays as it is. Without, stages begin from the weight as from an
    initialiser's, which those that draw random numbers can not.
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
        if params is None:
            return begun(plan, path, weight)
        kept = assign(plan, params, {path: weight}, state)
        tables = (kept, {}) if state is None else kept
        return {p: leaf(tables[0 if p in plan.slots else 1], p) for p in [path, *parts]}

    return store


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
