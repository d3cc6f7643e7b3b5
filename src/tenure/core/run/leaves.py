"""The leaves of params and state that a run reads, and the errors where one is missing or misshapen."""

from __future__ import annotations

from typing import Any

from tenure.core.errors import MissingParameterError, ParameterShapeError, Party, nearest
from tenure.core.notation import paths
from tenure.core.run.frame import Frame, Mode
from tenure.core.run.requests import request
from tenure.core.slots.slot import Slot, as_shape


def owned_value(frame: Frame, path: str) -> Any:
    """The leaf of an owner: inside its layer stack, that layer's slice. None if there is none."""
    frame.asked.add(path)
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
    asked = request(frame, path, as_shape(shape, path), dtype)
    known = [f"{m}/{n}" for m, entries in frame.params.items() for n in entries]
    return MissingParameterError(
        f"Unable to retrieve parameter '{path}': the params given to apply do not have it",
        parties=[
            asked.party("asker"),
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
            f"No value for the state '{path}', which '{table[path].request.asker}' keeps",
            parties=[slot.party("owner")],
            ways=["use the state that init of this model returned"],
        )
    return value
