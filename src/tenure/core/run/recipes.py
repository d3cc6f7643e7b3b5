"""What stages do to a value, as pure functions: traced once for all owners to which the same is done."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.keys import hash32
from tenure.core.notation.stage import STOCHASTIC, STRUCTURAL, Run, Spec, Stage
from tenure.core.slots.table import Staged


class Recipe:
    """What is done to a value; one object for all owners to which the same is done, so that it is traced once.

    Attributes:
      stages, specs: what to apply, and the shape and dtype that each is to give.
      training, draws: as in `Run`.
      sizes: of the layer stacks that the owner is in: the leading axes of its leaves.
    """

    __slots__ = ("all", "draws", "key", "sizes", "specs", "stages", "training")

    def __init__(self, stages: tuple[Stage, ...], specs: tuple[Spec, ...], training: bool, draws: bool, sizes: Any):
        self.stages, self.specs, self.training, self.draws, self.sizes = stages, specs, training, draws, sizes
        self.all = stages, specs, training, draws, sizes
        self.key = hash(self.all)

    def __hash__(self) -> int:
        return self.key

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Recipe) and self.all == other.all)


def recipe_of(way: Staged, active: tuple[str, ...]) -> tuple[Any, ...]:
    """What is done to a value, and what that needs.

    Args:
      way: of the plan's table.
      active: the prefixes of the layer stacks that the code is in: there, a leaf is that of one layer.

    Returns:
      The recipe, the paths of the stages' leaves, hashes for the stages' keys, and a stage that draws, or None.
    """
    slot, draws = way.slot, way.draws
    acting = tuple(s for s in way.stages if s.kind == STRUCTURAL or (s.kind == STOCHASTIC and draws))
    drawing = [s for s in acting if draws and s.draws]
    sizes = tuple(size for prefix, size in slot.stack if prefix not in active)
    recipe = Recipe(acting, tuple(slot.specs[s.label] for s in acting), way.training, draws, sizes)
    hashes = {s.label: np.uint32(hash32(f"{slot.path}:{s.label}")) for s in drawing}
    return recipe, slot.parts_of(acting), hashes, drawing[0] if drawing else None


def _apply(
    value: Any, parts: dict[tuple[str, str], Any], root: Any, hashes: dict[str, Any], recipe: Recipe
) -> tuple[Any, dict[tuple[str, str], Any]]:
    """A value through stages, and the new values of their state. Pure.

    Args:
      value: what is stored, with a leading axis for each layer stack.
      parts: (stage's name, part's name) → leaf.
      root: the key given to `apply`.
      hashes: stage's name → hash of the owner's path and the stage's name.
      recipe: what to do.
    """

    def one(leaves: Any, indices: tuple[Any, ...]) -> Any:
        value, parts = leaves
        updates: dict[tuple[str, str], Any] = {}
        for stage, spec in zip(recipe.stages, recipe.specs, strict=True):

            def draw(label: str = stage.label) -> jax.Array:
                return functools.reduce(jax.random.fold_in, indices, jax.random.fold_in(root, hashes[label]))

            mine = {suffix: array for (label, suffix), array in parts.items() if label == stage.label}
            value, new = _step(stage, value, mine, Run(recipe.training, recipe.draws, draw, spec))
            updates |= {(stage.label, suffix): array for suffix, array in new.items()}
        return value, updates

    return over_layers(one, recipe.sizes)((value, parts), ())


_compiled = jax.jit(_apply, static_argnames=("recipe",))


def _together(leaves: Any, parts: Any, root: Any, hashes: Any, recipes: tuple[Recipe, ...]) -> list[Any]:
    several = zip(leaves, parts, hashes, recipes, strict=True)
    return [_compiled(value, part, root if mine else None, mine, recipe) for value, part, mine, recipe in several]


compiled_together = jax.jit(_together, static_argnames=("recipes",))


def applied(value: Any, parts: Any, root: Any, hashes: Any, recipe: Recipe) -> Any:
    """A value through stages, and the new values of their state: see `_apply`, which has the same arguments.

    Within a trace it is a call of a function that all owners alike share; outside of any, it runs operation by operation.
    """
    traced = any(isinstance(a, jax.core.Tracer) for a in (value, root, *parts.values()))
    return (_compiled if traced else _apply)(value, parts, root, hashes, recipe)


def _step(stage: Stage, value: Any, parts: Any, run: Run) -> tuple[Any, dict[str, Any]]:
    def forward(value: Any, parts: Any) -> Any:
        run.updates.clear()
        out = stage.forward(value, parts, run)
        return out, dict(run.updates)

    return (jax.checkpoint(forward) if stage.arguments["remat"] else forward)(value, parts)


def over_layers(one: Callable[[Any, tuple[Any, ...]], Any], sizes: tuple[int, ...]) -> Callable[[Any, Any], Any]:
    """Maps a function of (leaves, indices) over the layers of the stacks.

    Args:
      one: takes the leaves of one layer, and the indices of that layer in the stacks.
      sizes: of the stacks, outermost first: the leading axes of the leaves.
    """
    if not sizes:
        return one

    def run(leaves: Any, indices: tuple[Any, ...]) -> Any:
        inner, steps = over_layers(one, sizes[1:]), jnp.arange(sizes[0], dtype=jnp.uint32)
        return jax.vmap(lambda mine, i: inner(mine, (*indices, i)))(leaves, steps)

    return run
