"""The value of a slot: what its owner stores, through the owner's stages and the views of the chain that leads to it.

Each stage is applied once, before the function starts, at the outermost trace: what a `scan`, a `vmap` or a `while_loop`
inside of the function uses is then an outer value like any other, and all users of a parameter have the same sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax

from tenure.core.errors import GivenTooLateError, MissingRNGError, UnknownSlotError, nearest
from tenure.core.notation import paths
from tenure.core.notation.refs import Ref, follow
from tenure.core.notation.stage import STRUCTURAL, Stage
from tenure.core.run.frame import Frame, Mode, Overlay, Params, current_frame, placeholder
from tenure.core.run.leaves import leaf, part
from tenure.core.run.recipes import applied, compiled_together, recipe_of
from tenure.core.slots.plan import Plan
from tenure.core.slots.slot import Slot
from tenure.core.slots.sources import Sources
from tenure.core.slots.staged import FINAL, STORED, USE, WEIGHT, Want


def staged_value(frame: Frame, path: str, tap: str) -> Any:
    """A slot's value after its stages, as far as `tap`; None if it has none.

    Raises:
      NeedsPlan: the stages have not been applied before the function started, as they should.
    """
    if not frame.plan.staged:
        return None
    if frame.mode is Mode.APPLY:
        want = frame.plan.staged_as.get(Want(path, tap, frame.training))
        if want is None:
            return None
        if frame.staged is None:
            raise NeedsPlan
        value = staged(frame, want)
        return produce(frame, want) if value is None else value
    slot = frame.plan.slots[path]  # elsewhere there is no noise, and one value at a time is wanted
    tap = FINAL if tap == USE and not slot.use_stages else tap
    if (slot.kind == "owned" and slot.stages) or (slot.use_stages and tap == USE):
        return produce(frame, Want(path, tap, frame.mode is Mode.READ and tap == WEIGHT))
    return None


def evaluate(frame: Frame, path: str, tap: str = FINAL) -> Any:
    """The value of any slot: the owner's, through the views of the chain that leads to it.

    Args:
      frame: the run.
      path: the slot's.
      tap: how far through the owner's stages: "stored", "weight", "final"; "use" for the slot's own use of it.
    """
    slot = frame.plan.slots[path]
    if frame.plan.staged:
        value = staged_value(frame, path, tap)
        if value is not None:
            return value
    if slot.kind == "given":
        if path not in frame.given:
            raise GivenTooLateError(
                f"'{path}' is given a computed value, which is not there yet",
                parties=[slot.party("given")],
                ways=["build its module before the one that borrows from it"],
            )
        return frame.given[path][tap]
    if slot.kind == "owned":
        return leaf(frame, slot)
    assert slot.target is not None
    active = {overlay.prefix for overlay in frame.overlays}
    outside = [(prefix, size) for prefix, size in slot.stack if prefix not in active]
    tap = FINAL if tap == USE else tap
    return _all_layers(frame, path, tap, *outside[0]) if outside else through(frame, slot.target, tap)


def _all_layers(frame: Frame, path: str, tap: str, prefix: str, size: int) -> Any:
    """A borrower inside a layer stack, as seen from outside of it: its value in each layer, stacked."""

    def layer(params: dict[str, Any]) -> Any:
        frame.overlays.append(Overlay(prefix, size, params))
        try:
            return evaluate(frame, path, tap)
        finally:
            frame.overlays.pop()

    return jax.vmap(layer, axis_size=size)(frame.stacked_params(prefix))


def through(frame: Frame, ref: Ref, tap: str = FINAL) -> Any:
    """The value that a linked reference stands for; `tap` where the reference itself says nothing."""
    return follow(
        ref, lambda ref: evaluate(frame, ref.path, ref.tap or tap), lambda view, value, others: view(value, *others)
    )


def known() -> list[str]:
    """The paths of all slots: as planned, or asked for so far while planning."""
    frame = current_frame("module.params")
    return list(frame.requests if frame.planning else frame.plan.slots)


def find(path: str) -> str:
    """The slot's exact path; method segments may be left out."""
    paths_known = known()
    if path in paths_known:
        return path
    found = [p for p in paths_known if paths.plain(p) == paths.plain(path)]
    if len(found) == 1:
        return found[0]
    raise UnknownSlotError(
        f"no parameter '{path}' has been asked for" + (" yet" if current_frame("params").planning else ""),
        near=nearest(path, paths_known),
        ways=[
            "module.params has what the module asked for: call the module first",
            "module.ref(name) works at any time, before the module is called and before it is built",
        ],
    )


def kind_of(path: str) -> str:
    """ "owned", "borrowed" or "given"."""
    frame = current_frame("module.owned")
    return (frame.requests if frame.planning else frame.plan.slots)[path].kind


def value_of(path: str) -> Any:
    """The value of a slot, at any place of a transformed function."""
    frame = current_frame("module.params")
    if frame.planning:
        asked = frame.requests[path]
        return placeholder(asked.shape, asked.dtype)
    return evaluate(frame, path, USE)


def offline(plan: Plan, params: Params, state: Params | None = None) -> Frame:
    """A frame to read values of a plan in, outside of any run: without noise and dropout."""
    flat = {f"{m}/{n}": v for m, entries in (state or {}).items() for n, v in entries.items()}
    frame = Frame(Mode.READ, Sources(), params=params, state=flat)
    frame._plan = plan
    return frame


class NeedsPlan(BaseException):
    """A run that has met a stage must start again with a plan; never seen by a user."""


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
    assert frame.staged is not None
    found = []
    for want in frame.plan.staged:
        slot = frame.plan.slots[want.path]
        stages, draws = _from_stored(frame, slot, want)
        if slot.kind == "owned" and stages is not None:
            recipe, where, hashes, drawing = _recipe_of(frame, slot, stages, want.training, draws)
            if recipe.stages and not (drawing and frame.keys is None):
                leaves = {name: part(frame, slot, p) for name, p in where.items()}
                found.append((want, where, recipe, leaf(frame, slot), leaves, hashes))
    if len(found) < 2:
        return
    wants, where, recipes, stored, parts, hashes = zip(*found, strict=True)
    root = None if frame.keys is None or not any(hashes) else frame.keys.root
    made = compiled_together(stored, parts, root, hashes, recipes)
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
    slot = frame.plan.slots[want.path]
    if frame.staged is not None and want.key in frame.staged:
        return frame.staged[want.key]
    stages, draws = _from_stored(frame, slot, want)
    if want.tap == USE:
        mode, frame.training = frame.training, want.training
        try:
            value = evaluate(frame, want.path, FINAL)
        finally:
            frame.training = mode
        value = _run(frame, slot, slot.use_stages, value, want.training, draws=want.training)
    elif want.tap == STORED:
        value = leaf(frame, slot)
    elif stages is not None:
        value = _run(frame, slot, stages, leaf(frame, slot), want.training, draws)
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


def _run(frame: Frame, slot: Slot, stages: Sequence[Stage], value: Any, training: bool, draws: bool) -> Any:
    """`value` through `stages`, layer by layer where the slot is in a layer stack."""
    recipe, where, hashes, drawing = _recipe_of(frame, slot, stages, training, draws)
    if not recipe.stages:
        return value
    if drawing and frame.keys is None:
        raise _no_key(drawing, slot)
    root = frame.keys.root if drawing and frame.keys is not None else None
    parts = {name: part(frame, slot, path) for name, path in where.items()}
    value, updates = applied(value, parts, root, hashes, recipe)
    _write(frame, where, updates, training)
    return value


def _write(frame: Frame, where: Mapping[tuple[str, str], str], updates: Mapping[Any, Any], training: bool) -> None:
    """The stages' new state."""
    for name, array in updates.items():
        if training and ("stage", where[name]) in frame.layers[0]:
            frame.layers[0]["stage", where[name]] = array


def _recipe_of(frame: Frame, slot: Slot, stages: Sequence[Stage], training: bool, draws: bool) -> tuple[Any, ...]:
    active = tuple(overlay.prefix for overlay in frame.overlays)
    recipes = frame.plan.recipes
    name = slot.path, tuple(s.label for s in stages), stages is slot.use_stages, training, draws, active
    if name not in recipes:
        recipes[name] = recipe_of(slot, stages, training, draws, active)
    return recipes[name]


def _no_key(stage: Stage, slot: Slot) -> MissingRNGError:
    return MissingRNGError(
        f"the stage '{stage}' of '{slot.path}' needs a random key, and none was given to apply",
        parties=[slot.party("owner" if slot.kind == "owned" else "user")],
        ways=[
            "give one:  model.apply(params, jax.random.key(0), …)",
            "to evaluate, without noise and dropout:  tn.evaluation(model).apply(params, None, …)",
        ],
    )
