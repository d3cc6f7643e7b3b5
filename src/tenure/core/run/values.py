"""The values of slots in a run: made as the plan's table says.

Each stage is applied once in a run, so that all users of a parameter have the same sample. What a `scan`, a `vmap` or a
`while_loop` inside of the function uses goes through its stages before the function starts, at the outermost trace: it is then
an outer value like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from tenure.core.errors import GivenTooLateError, MissingRNGError, UnknownSlotError, nearest
from tenure.core.notation import paths
from tenure.core.notation.refs import Ref, follow
from tenure.core.notation.stage import Stage
from tenure.core.run.frame import Frame, Mode, Params, StackSlice, current_frame, placeholder
from tenure.core.run.leaves import leaf, part
from tenure.core.run.recipes import Recipe, applied, compiled_together, recipe_of
from tenure.core.slots.plan import Plan
from tenure.core.slots.slot import Request, Slot
from tenure.core.slots.sources import Sources
from tenure.core.slots.table import FINAL, STORED, USE, WEIGHT, How, PerLayer, Staged, Stored, Viewed
from tenure.core.trees import flat


def evaluate(frame: Frame, path: str, tap: str = FINAL) -> Any:
    """The value of any slot of the plan.

    Args:
      frame: the run.
      path: the slot's.
      tap: how far through the owner's stages: "stored", "weight", "final"; "use" for the slot's own use of it.
    """
    training = frame.training if frame.mode is Mode.APPLY else frame.mode is Mode.READ and tap == WEIGHT
    return made(frame, frame.plan.table.how(path, tap, training))


def through(frame: Frame, ref: Ref, tap: str = FINAL) -> Any:
    """The value that a linked reference stands for; `tap` where the reference itself says nothing."""
    return follow(
        ref, lambda ref: evaluate(frame, ref.path, ref.tap or tap), lambda view, value, others: view(value, *others)
    )


def made(frame: Frame, way: How) -> Any:
    """A value, made in a way of the table.

    Raises:
      MissingParameterError, ParameterShapeError: the params lack a leaf that is needed, or have another shape of it.
      GivenTooLateError: the value is computed further on.
    """
    if isinstance(way, Stored):
        return leaf(frame, way.slot)
    if isinstance(way, Staged):
        return _staged(frame, way)
    if isinstance(way, Viewed):
        hops = [way]
        while isinstance(hops[-1].base, Viewed):
            hops.append(hops[-1].base)
        value = made(frame, hops[-1].base)
        for hop in reversed(hops):
            value = hop.view(value, *(made(frame, other) for other in hop.others))
        return value
    if isinstance(way, PerLayer):
        return _all_layers(frame, way)
    if way.slot.path not in frame.given:
        raise GivenTooLateError(
            f"'{way.slot.path}' is given a computed value, which is not there yet",
            parties=[way.slot.party("given")],
            ways=["build its module before the one that borrows from it"],
        )
    return frame.given[way.slot.path][way.tap]


def _all_layers(frame: Frame, way: PerLayer) -> Any:
    """A borrower's value: inside of its layer stacks, of the layer that runs; from outside, in each layer, stacked."""
    active = {stack_slice.prefix for stack_slice in frame.stack_slices}
    outside = [(prefix, size) for prefix, size in way.slot.stack if prefix not in active]
    if not outside:
        return made(frame, way.inner)
    prefix, size = outside[0]

    def layer(params: dict[str, Any]) -> Any:
        frame.stack_slices.append(StackSlice(prefix, size, params))
        try:
            return _all_layers(frame, way)
        finally:
            frame.stack_slices.pop()

    return jax.vmap(layer, axis_size=size)(frame.stacked_params(prefix))


def _staged(frame: Frame, way: Staged) -> Any:
    """A value after its stages: as made before, or made now, and kept for the run's other users."""
    if frame.staged is None:
        return _through_stages(frame, way, made(frame, way.source))
    key = way.key
    for known in (*[stack_slice.params for stack_slice in reversed(frame.stack_slices)], frame.staged):
        if key in known:
            return known[key]
    value = frame.staged[key] = _through_stages(frame, way, made(frame, way.source))
    return value


def apply_stages(frame: Frame) -> None:
    """Before the function starts: applies the stages of what is first used inside of a loop or another transformation.

    In a trace, those of everything else as well. Outside of a trace the rest waits for its use, so that no more than
    one staged weight need be there at a time.

    Raises:
      MissingRNGError: a stochastic stage is to draw, and `apply` was given no key.
    """
    frame.staged = {}
    for layer in frame.layers:  # state that only stages know: loops need not carry it
        for entry in [e for e in layer if e[0] == "state" and e[1] in frame.plan.parts]:
            layer["stage", entry[1]] = layer.pop(entry)
    if any(isinstance(v, jax.core.Tracer) for entries in frame.params.values() for v in entries.values()):
        _apply_together(frame)
    inside = [way for way, inside in frame.plan.staged.items() if inside]
    for way in sorted(inside, key=lambda way: way.tap == USE):  # owners first, then their users
        made(frame, way)


def _apply_together(frame: Frame) -> None:
    """All owners' weights that come straight from what is stored, in one call: JAX's cost of a call is paid once."""
    assert frame.staged is not None
    found: list[Any] = []
    for way in frame.plan.staged:
        if isinstance(way.source, Stored):
            recipe, where, drawn, drawing = _recipe_of(frame, way)
            if recipe.stages and not (drawing and frame.keys is None):
                leaves = {name: part(frame, way.slot, path) for name, path in where.items()}
                found.append((way, where, recipe, leaf(frame, way.slot), leaves, drawn))
    if len(found) < 2:
        return
    ways, places, recipes, stored, parts, hashes = zip(*found, strict=True)
    root = None if frame.keys is None or not any(hashes) else frame.keys.root
    values = compiled_together(stored, parts, root, hashes, recipes)
    for way, place, recipe, (value, updates) in zip(ways, places, recipes, values, strict=True):
        frame.staged[way.key] = value
        _write(frame, place, updates, recipe.training)


def hand_over(frame: Frame, slot: Slot, value: Any) -> Any:
    """A computed value through the stages of its slot, where the program gives it; kept for those who borrow it."""
    training = frame.training and frame.mode is Mode.APPLY
    final, use = value, value
    if slot.staged:
        final = _through_stages(frame, frame.plan.table.handed(slot, FINAL, training), value)
        use = _through_stages(frame, frame.plan.table.handed(slot, USE, training), final)
    frame.given[slot.path] = {STORED: value, WEIGHT: value, FINAL: final, USE: use}
    return use


def _through_stages(frame: Frame, way: Staged, value: Any) -> Any:
    """`value` through a way's stages, layer by layer where the slot is in a layer stack."""
    recipe, where, hashes, drawing = _recipe_of(frame, way)
    if not recipe.stages:
        return value
    if drawing and frame.keys is None:
        raise MissingRNGError(
            f"the stage '{drawing}' of '{way.slot.path}' needs a random key, and none was given to apply",
            parties=[way.slot.party("owner" if way.slot.kind == "owned" else "user")],
            ways=[
                "give one:  model.apply(params, jax.random.key(0), …)",
                "to evaluate, without noise and dropout:  tn.evaluation(model).apply(params, None, …)",
            ],
        )
    root = frame.keys.root if drawing and frame.keys is not None else None
    parts = {name: part(frame, way.slot, path) for name, path in where.items()}
    value, updates = applied(value, parts, root, hashes, recipe)
    _write(frame, where, updates, way.training)
    return value


def _recipe_of(frame: Frame, way: Staged) -> tuple[Recipe, dict[Any, str], dict[str, Any], Stage | None]:
    """What is done to a value, remembered by the plan; see `recipes.recipe_of`."""
    key = way, tuple([one.prefix for one in frame.stack_slices]) if frame.stack_slices else ()
    recipes = frame.plan.recipes
    if key not in recipes:
        recipes[key] = recipe_of(*key)
    return recipes[key]


def _write(frame: Frame, where: Mapping[Any, str], updates: Mapping[Any, Any], training: bool) -> None:
    """The stages' new state."""
    for name, array in updates.items():
        if training and ("stage", where[name]) in frame.layers[0]:
            frame.layers[0]["stage", where[name]] = array


def offline(plan: Plan, params: Params, state: Params | None = None) -> Frame:
    """A frame to read values of a plan in, outside of any run: without noise and dropout."""
    return Frame(Mode.READ, Sources(), params=params, state=flat(state, "state"), plan=plan)


def known() -> Mapping[str, Request]:
    """All slots by path, as planned; while planning, the first requests so far."""
    frame = current_frame("module.params")
    return frame.requests if frame.planning else frame.plan.slots


def find(path: str) -> Request:
    """The slot of a path; method segments may be left out.

    Raises:
      UnknownSlotError: nobody asks for such a parameter, or nobody has so far.
    """
    slots = known()
    found = [slots[path]] if path in slots else [s for p, s in slots.items() if paths.plain(p) == paths.plain(path)]
    if len(found) == 1:
        return found[0]
    raise UnknownSlotError(
        f"no parameter '{path}' has been asked for" + (" yet" if current_frame("params").planning else ""),
        near=nearest(path, slots),
        ways=[
            "module.params has what the module asked for: call the module first",
            "module.ref(name) works at any time, before the module is called and before it is built",
        ],
    )


def value_of(slot: Request) -> Any:
    """The value of a slot, at any place of a transformed function."""
    frame = current_frame("module.params")
    return placeholder(slot.shape, slot.dtype) if frame.planning else evaluate(frame, slot.path, USE)
