"""Stages in a run: each is applied once, before the function starts, at the outermost trace.

What a `scan`, a `vmap` or a `while_loop` inside of the function uses is then an outer value like any other, and all users
of a parameter have the same sample. Which values are wanted is known from the plan; a run that meets a stage before
there is a plan starts again with one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core import rng
from tenure.core.errors import MissingRNGError
from tenure.core.frame import Frame, Mode
from tenure.core.stage import STOCHASTIC, STRUCTURAL, Run, Spec, Stage

if TYPE_CHECKING:
    from tenure.core.slot import Slot

FINAL, WEIGHT, STORED, USE = "final", "weight", "stored", "use"


class NeedsPlan(BaseException):
    """A run that has met a stage must start again with a plan; never seen by a user."""


class Want(NamedTuple):
    """A slot's value after its stages as far as `tap`, in training or in evaluation."""

    path: str
    tap: str
    training: bool

    @property
    def key(self) -> str:
        """Its name among a layer stack's leaves: '@' stands in no path."""
        return f"{self.path}@{self.tap}" if self.training else f"{self.path}@{self.tap}@evaluation"


def wanted(slots: dict[str, Slot]) -> dict[Want, bool]:
    """The values that go through stages in a run of a plan with these slots → whether one is used inside of a loop."""
    found: dict[Want, bool] = {}

    def want(path: str, tap: str, training: bool, inside: bool) -> None:
        slot = slots[path]
        name = Want(path, FINAL if tap == USE and not slot.use_stages else tap, training)
        if slot.use_stages and tap == USE and slot.kind != "given":
            found[name] = found.get(name, False) or inside
            want(path, FINAL, training, inside)
        elif slot.kind == "borrowed":
            assert slot.target is not None
            for ref in (slot.target, *slot.target.others()):
                want(ref.path, ref.tap or (FINAL if tap == USE else tap), training, inside)
        elif slot.kind == "owned" and slot.stages:
            found[name] = found.get(name, False) or inside

    for slot in slots.values():
        for training, inside in slot.modes:
            want(slot.path, USE, training, inside)
    return found


def hoist(frame: Frame) -> None:
    """Applies the stages of what is first used inside of a loop or another transformation; in a trace, of everything.

    Outside of a trace the rest waits for its use, so that no more than one staged weight need be there at a time.

    Raises:
      MissingRNGError: a stochastic stage is to draw, and `apply` was given no key.
    """
    frame.staged = {}
    parts = {path for slot in frame.plan.slots.values() for path in slot.parts.values()}
    for layer in frame.layers:  # state that only stages know: loops need not carry it
        for entry in [e for e in layer if e[0] == "state" and e[1] in parts]:
            layer["stage", entry[1]] = layer.pop(entry)
    if any(isinstance(v, jax.core.Tracer) for entries in frame.params.values() for v in entries.values()):
        _produce_together(frame)
    inside = [want for want, inside in frame.plan.staged.items() if inside]
    for want in sorted(inside, key=lambda want: want.tap == USE):  # owners first, then their users
        produce(frame, want)


def _produce_together(frame: Frame) -> None:
    """All owners' weights that come straight from what is stored, in one call: JAX's cost of a call is paid once."""
    from tenure.core import values

    assert frame.staged is not None
    found = []
    for want in frame.plan.staged:
        slot = frame.plan.slots[want.path]
        stages, draws = _from_stored(frame, slot, want)
        if slot.kind == "owned" and stages is not None:
            recipe, where, hashes, drawing = _recipe_of(frame, slot, stages, want.training, draws)
            if recipe.stages and not (drawing and frame.keys is None):
                leaves = {part: values.part(frame, slot, p) for part, p in where.items()}
                found.append((want, where, recipe, values.leaf(frame, slot), leaves, hashes))
    if len(found) < 2:
        return
    wants, where, recipes, stored, parts, hashes = zip(*found, strict=True)
    root = None if frame.keys is None or not any(hashes) else frame.keys.root
    made = _compiled_together(stored, parts, root, hashes, recipes)
    for want, places, recipe, (value, updates) in zip(wants, where, recipes, made, strict=True):
        frame.staged[want.key] = value
        _write(frame, places, updates, recipe.training)


def _from_stored(frame: Frame, slot: Slot, want: Want) -> tuple[Any, bool]:
    """The stages that lead from what is stored to the tap, or None where another staged value is in between."""
    structural = [s for s in slot.stages if s.kind == STRUCTURAL]
    if want.tap in (USE, STORED):
        return None, False
    if want.tap == WEIGHT or not want.training:
        return structural, False
    if any(s.draws for s in structural) or want._replace(tap=WEIGHT) not in frame.plan.staged:
        return slot.stages, True
    return None, False


def staged(frame: Frame, want: Want) -> Any:
    """A staged value that is there already, or None."""
    for overlay in reversed(frame.overlays):
        if want.key in overlay.params:
            return overlay.params[want.key]
    return frame.staged.get(want.key) if frame.staged else None


def produce(frame: Frame, want: Want) -> Any:
    """Computes a slot's value as far as wanted, and remembers it."""
    from tenure.core import values

    slot = frame.plan.slots[want.path]
    if frame.staged is not None and want.key in frame.staged:
        return frame.staged[want.key]
    stages, draws = _from_stored(frame, slot, want)
    if want.tap == USE:
        mode, frame.training = frame.training, want.training
        try:
            value = values.evaluate(frame, want.path, FINAL)
        finally:
            frame.training = mode
        value = _run(frame, slot, slot.use_stages, value, want.training, draws=want.training)
    elif want.tap == STORED:
        value = values.leaf(frame, slot)
    elif stages is not None:
        value = _run(frame, slot, stages, values.leaf(frame, slot), want.training, draws)
    else:
        rest = [s for s in slot.stages if s.kind != STRUCTURAL]
        value = _run(frame, slot, rest, produce(frame, want._replace(tap=WEIGHT)), True, draws=True)
    if frame.staged is not None:
        frame.staged[want.key] = value
    return value


def given(frame: Frame, slot: Slot, value: Any) -> Any:
    """A computed value through the stages of its slot, where it is handed over; kept for those who borrow it."""
    training = frame.training and frame.mode is Mode.APPLY
    final = _run(frame, slot, slot.stages, value, training, draws=training)
    use = _run(frame, slot, slot.use_stages, final, training, draws=training)
    frame.given[slot.path] = {STORED: value, WEIGHT: value, FINAL: final, USE: use}
    return use


class Recipe:
    """What is done to a value; one object for all owners to which the same is done, so that it is traced once.

    Attributes:
      stages, specs: what to apply, and the shape and dtype that each is to give.
      training, draws: as in `Run`.
      sizes: of the layer stacks that the owner is in: the leading axes of its leaves.
    """

    __slots__ = ("draws", "key", "sizes", "specs", "stages", "training")

    def __init__(self, stages: tuple[Stage, ...], specs: tuple[Spec, ...], training: bool, draws: bool, sizes: Any):
        self.stages, self.specs, self.training, self.draws, self.sizes = stages, specs, training, draws, sizes
        self.key = hash((stages, specs, training, draws, sizes))

    def __hash__(self) -> int:
        return self.key

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        mine = (self.stages, self.specs, self.training, self.draws, self.sizes)
        return isinstance(other, Recipe) and mine == (
            other.stages,
            other.specs,
            other.training,
            other.draws,
            other.sizes,
        )


def _run(frame: Frame, slot: Slot, stages: Sequence[Stage], value: Any, training: bool, draws: bool) -> Any:
    """`value` through `stages`, layer by layer where the slot is in a layer stack."""
    from tenure.core import values

    recipe, where, hashes, drawing = _recipe_of(frame, slot, stages, training, draws)
    if not recipe.stages:
        return value
    if drawing and frame.keys is None:
        raise _no_key(drawing, slot)
    root = frame.keys.root if drawing and frame.keys is not None else None
    parts = {part: values.part(frame, slot, path) for part, path in where.items()}
    value, updates = _applied(value, parts, root, hashes, recipe)
    _write(frame, where, updates, training)
    return value


def _write(frame: Frame, where: Mapping[tuple[str, str], str], updates: Mapping[Any, Any], training: bool) -> None:
    """The stages' new state."""
    for part, array in updates.items():
        if training and ("stage", where[part]) in frame.layers[0]:
            frame.layers[0]["stage", where[part]] = array


def _recipe_of(frame: Frame, slot: Slot, stages: Sequence[Stage], training: bool, draws: bool) -> tuple[Any, ...]:
    active = tuple(overlay.prefix for overlay in frame.overlays)
    recipes = frame.plan.recipes
    name = slot.path, tuple(s.label for s in stages), stages is slot.use_stages, training, draws, active
    if name not in recipes:
        recipes[name] = _recipe(slot, stages, training, draws, active)
    return recipes[name]


def _recipe(
    slot: Slot, stages: Sequence[Stage], training: bool, draws: bool, active: tuple[str, ...]
) -> tuple[Any, ...]:
    """What is done, the paths of the leaves that it needs, hashes for its keys, and a stage that draws."""
    acting = tuple(s for s in stages if s.kind == STRUCTURAL or (s.kind == STOCHASTIC and draws))
    labels = {s.label for s in acting}
    drawing = [s for s in acting if draws and s.draws]
    sizes = tuple(size for prefix, size in slot.stack if prefix not in active)
    recipe = Recipe(acting, tuple(slot.specs[s.label] for s in acting), training, draws, sizes)
    where = {part: path for part, path in slot.parts.items() if part[0] in labels}
    hashes = {s.label: np.uint32(rng.hash32(f"{slot.path}:{s.label}")) for s in drawing}
    return recipe, where, hashes, drawing[0] if drawing else None


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

    def one(value: Any, parts: Any, indices: tuple[Any, ...]) -> Any:
        updates: dict[tuple[str, str], Any] = {}
        for stage, spec in zip(recipe.stages, recipe.specs, strict=True):

            def draw(label: str = stage.label) -> jax.Array:
                return functools.reduce(jax.random.fold_in, indices, jax.random.fold_in(root, hashes[label]))

            mine = {suffix: array for (label, suffix), array in parts.items() if label == stage.label}
            value, new = _step(stage, value, mine, Run(recipe.training, recipe.draws, draw, spec))
            updates.update({(stage.label, suffix): array for suffix, array in new.items()})
        return value, updates

    return _over_layers(one, recipe.sizes)(value, parts, ())


_compiled = jax.jit(_apply, static_argnames=("recipe",))


def _together(leaves: Any, parts: Any, root: Any, hashes: Any, recipes: tuple[Recipe, ...]) -> list[Any]:
    several = zip(leaves, parts, hashes, recipes, strict=True)
    return [_compiled(value, part, root if mine else None, mine, recipe) for value, part, mine, recipe in several]


_compiled_together = jax.jit(_together, static_argnames=("recipes",))


def _applied(value: Any, parts: Any, root: Any, hashes: Any, recipe: Recipe) -> Any:
    """Within a trace, a call of a function that all owners alike share; outside of any, operation by operation."""
    traced = any(isinstance(a, jax.core.Tracer) for a in (value, root, *parts.values()))
    return (_compiled if traced else _apply)(value, parts, root, hashes, recipe)


def _step(stage: Stage, value: Any, parts: Any, run: Run) -> tuple[Any, dict[str, Any]]:
    def forward(value: Any, parts: Any) -> Any:
        run.updates.clear()
        out = stage.forward(value, parts, run)
        return out, dict(run.updates)

    if stage.arguments["remat"]:
        return jax.checkpoint(forward)(value, parts)
    return forward(value, parts)


def _over_layers(one: Callable[..., Any], sizes: tuple[int, ...]) -> Callable[..., Any]:
    """Maps a function of (value, parts, indices) over the layers of the stacks."""
    if not sizes:
        return one

    def run(value: Any, parts: Any, indices: tuple[Any, ...]) -> Any:
        inner = _over_layers(one, sizes[1:])
        steps = jnp.arange(sizes[0], dtype=jnp.uint32)
        return jax.vmap(lambda v, p, i: inner(v, p, (*indices, i)))(value, parts, steps)

    return run


def _no_key(stage: Stage, slot: Slot) -> MissingRNGError:
    return MissingRNGError(
        f"the stage '{stage}' of '{slot.path}' needs a random key, and none was given to apply",
        parties=[slot.party("owner" if slot.kind == "owned" else "user")],
        ways=[
            "give one:  model.apply(params, jax.random.key(0), …)",
            "to evaluate, without noise and dropout:  tn.evaluation(model).apply(params, None, …)",
        ],
    )
