"""The value of a slot: the owner's leaf, through the views of the chain that leads to it."""

from __future__ import annotations

from typing import Any

import jax

from tenure.core import hoist, paths, views
from tenure.core.errors import (
    GivenTooLateError,
    MissingParameterError,
    ParameterShapeError,
    Party,
    UnknownSlotError,
    nearest,
)
from tenure.core.frame import Frame, Mode, Overlay, current_frame, placeholder
from tenure.core.refs import Ref
from tenure.core.slot import Slot, as_shape, describe


def owned_value(frame: Frame, path: str) -> Any:
    """The leaf of an owner: inside its layer stack, that layer's slice. None if there is none."""
    for overlay in reversed(frame.overlays):
        if path in overlay.params:
            return overlay.params[path]
    module, name = paths.split(path)
    if frame.mode is Mode.INIT:
        value = frame.read(("params", path))
        if value is not None:
            return value
    try:
        return frame.params[module][name]
    except KeyError:
        return None


def missing(frame: Frame, path: str, shape: Any, dtype: Any) -> MissingParameterError:
    slot = Slot(path, "owned", as_shape(shape, path), dtype)
    describe(frame, slot)
    known = [f"{m}/{n}" for m, entries in frame.params.items() for n in entries]
    return MissingParameterError(
        f"Unable to retrieve parameter '{path}': the params given to apply do not have it",
        parties=[
            slot.party("asker"),
            Party(
                "params",
                "",
                f"{len(known)} leaf" if len(known) == 1 else f"{len(known)} leaves",
                "the params given to apply",
            ),
        ],
        near=nearest(path, known),
        ways=[
            "use params from init of this model, with inputs of these shapes",
            f"tie it:  tn.transform(f, ties={{'{path}': 'owner/path'}})",
        ],
    )


def staged_value(frame: Frame, path: str, tap: str) -> Any:
    """A slot's value after its stages, as far as `tap`; None if it has none.

    Raises:
      NeedsPlan: the stages have not been applied before the function started, as they should.
    """
    if not frame.plan.staged:
        return None
    if frame.mode is Mode.APPLY:
        want = frame.plan.staged_as.get(hoist.Want(path, tap, frame.training))
        if want is None:
            return None
        if frame.staged is None:
            raise hoist.NeedsPlan
        value = hoist.staged(frame, want)
        return hoist.produce(frame, want) if value is None else value
    slot = frame.plan.slots[path]  # elsewhere there is no noise, and one value at a time is wanted
    tap = hoist.FINAL if tap == hoist.USE and not slot.use_stages else tap
    if (slot.kind == "owned" and slot.stages) or (slot.use_stages and tap == hoist.USE):
        return hoist.produce(frame, hoist.Want(path, tap, frame.mode is Mode.READ and tap == hoist.WEIGHT))
    return None


def leaf(frame: Frame, slot: Slot) -> Any:
    """What is stored for an owner."""
    value = owned_value(frame, slot.path)
    if value is None:
        raise missing(frame, slot.path, slot.full_shape, slot.full_dtype)
    active = {overlay.prefix for overlay in frame.overlays}
    wanted = slot.full_shape[sum(prefix in active for prefix, _ in slot.stack) :]
    if tuple(value.shape) != wanted:
        raise ParameterShapeError(
            f"'{slot.path}' stores {slot.full_shape} for its stages but the params have {tuple(value.shape)}",
            parties=[
                slot.party("owner"),
                Party("params", slot.path, f"{tuple(value.shape)} {value.dtype}", "the params given to apply"),
            ],
            ways=[
                "use params from init of this model",
                "put a plain weight into it:  tn.assign(plan, params, {path: value})",
            ],
        )
    return value


def part(frame: Frame, slot: Slot, path: str) -> Any:
    """A leaf that one of a slot's stages keeps."""
    table = frame.plan.slots if path in frame.plan.slots else frame.plan.states
    if table is frame.plan.slots:
        return leaf(frame, table[path])
    value = frame.read(("stage", path), frame.read(("state", path)))
    if value is None:
        raise MissingParameterError(
            f"No value for the state '{path}', which '{table[path].asker}' keeps",
            parties=[slot.party("owner")],
            ways=["use the state that init of this model returned"],
        )
    return value


def evaluate(frame: Frame, path: str, tap: str = hoist.FINAL) -> Any:
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
        value = owned_value(frame, path)
        if value is None:
            raise missing(frame, path, slot.full_shape, slot.dtype)
        return value
    assert slot.target is not None
    active = {overlay.prefix for overlay in frame.overlays}
    outside = [(prefix, size) for prefix, size in slot.stack if prefix not in active]
    tap = hoist.FINAL if tap == hoist.USE else tap
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


def through(frame: Frame, ref: Ref, tap: str = hoist.FINAL) -> Any:
    """The value that a linked reference stands for; `tap` where the reference itself says nothing."""
    value = evaluate(frame, ref.path, ref.tap or tap)
    for view in ref.views:
        if isinstance(view, views.Concat):
            others = [through(frame, Ref.parse(o), tap) for o in view.arguments["others"]]
            value = view.join([value, *others])
        else:
            value = view(value)
    return value


def known() -> list[str]:
    """The paths of all slots: as planned, or asked for so far while planning."""
    frame = current_frame("module.params")
    return list(frame.slots if frame.planning else frame.plan.slots)


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
    return (frame.slots if frame.planning else frame.plan.slots)[path].kind


def value_of(path: str) -> Any:
    """The value of a slot, at any place of a transformed function."""
    frame = current_frame("module.params")
    if frame.planning:
        slot = frame.slots[path]
        return placeholder(slot.shape, slot.dtype)
    return evaluate(frame, path, hoist.USE)
