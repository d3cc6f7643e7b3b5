"""The leaves of params and state that a run reads, and the errors where one is missing or misshapen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from tenure.core.errors import MissingParameterError, ParameterDtypeError, ParameterShapeError, Party, brief, nearest
from tenure.core.notation import paths
from tenure.core.run.frame import Frame, Mode
from tenure.core.slots.slot import Slot, as_shape, kind_of, named

_COLLECTIONS = {"batch_stats", "cache", "intermediates", "constants"}  # that Flax's variables have beside "params"


def owned_value(frame: Frame, path: str) -> Any:
    """The leaf of an owner: inside its layer stack, that layer's slice. None if there is none."""
    frame.asked.add(path)
    for stack_slice in reversed(frame.stack_slices):
        if path in stack_slice.params:
            return stack_slice.params[path]
    module, name = paths.split(path)
    if frame.mode is Mode.INIT:
        value = frame.read(("params", path))
        if value is not None:
            return value
    try:
        return frame.params[module][name]
    except KeyError:
        return None


def check_leaf(value: Any, path: str, shape: tuple[int, ...], dtype: Any, party: Callable[[], Party]) -> None:
    """Raises unless a leaf of the params is an array of the shape and the kind of numbers that a slot asks for.

    Numbers of the same kind and another precision are taken as they are: params may be cast as a whole.

    Args:
      value: the leaf.
      path: the slot's.
      shape, dtype: what the slot stores.
      party: says who asks, for the error.

    Raises:
      ParameterShapeError, ParameterDtypeError: what does not fit.
    """
    if isinstance(value, jax.Array) and value.shape == shape and value.dtype == dtype:
        return
    known = hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, jax.ShapeDtypeStruct)
    kind = kind_of(value.dtype) if known else "other"
    if kind != "other" and tuple(value.shape) == shape and (value.dtype == dtype or kind == kind_of(dtype)):
        return
    error: Any = ParameterDtypeError
    what = f"{tuple(value.shape)} {value.dtype}" if known else brief(value, 40)
    rule, ways = f"'{path}' needs {named(dtype)} but the params have ", ["use params from init of this model"]
    if kind == "other":
        rule = f"'{path}' needs an array of {named(dtype)} but the params have {what}"
        ways.insert(0, "make it an array:  jnp.asarray(value)")
    elif tuple(value.shape) != shape:
        error, rule = ParameterShapeError, f"'{path}' needs {shape} but the params have {tuple(value.shape)}"
        ways = ["use params from init of this model, with inputs of these shapes", "reshape the value in params"]
    else:
        rule += str(value.dtype)
        ways.append(f"cast the value in params:  value.astype('{named(dtype)}')")
        ways.append(f"ask for what there is:  get_parameter(…, dtype='{value.dtype}')")
    raise error(rule, parties=[party(), Party("params", path, what, "the params given to apply")], ways=ways)


def missing(frame: Frame, path: str, shape: Any, dtype: Any, slot: Slot | None = None) -> MissingParameterError:
    """The error of a parameter that the params do not have.

    Args:
      frame: the run.
      path: the slot's.
      shape, dtype: what is asked for.
      slot: the slot, if it is planned, which then says who asks.
    """
    asked = frame.request(path, as_shape(shape, path), dtype) if slot is None else slot
    known = [f"{m}/{n}" for m, entries in frame.params.items() for n in entries]
    module, name = paths.split(path)
    there = name in frame.params.get(module, {})
    ways = ["use params from init of this model, with inputs of these shapes"]
    if slot is not None and slot.part_of:
        ways = [
            f"the stage '{asked.asker}' of '{slot.part_of}' keeps it: use params from init of the model with its stages",
            "for params of the model without the stage, add what it keeps:  {**model.init(key, …), **params} by module",
            f"leave the stage out:  stages={{'{slot.part_of}': [None]}}",
        ]
    elif set(frame.params) - {"params"} <= _COLLECTIONS and "params" in frame.params and module != "params":
        ways.insert(0, "these are Flax's variables, {'params': …}: hand over what is in them, params['params']")
    else:
        ways.append(f"tie it:  tn.transform(f, ties={{'{path}': 'owner/path'}})")
    given, why = "the params given to apply", "have None there, not an array" if there else "do not have it"
    count = f"{len(known)} leaf" if len(known) == 1 else f"{len(known)} leaves"
    return MissingParameterError(
        f"Unable to retrieve parameter '{path}': {given} {why}",
        parties=[asked.party("asker"), Party("params", "", count, given)],
        near=nearest(path, known),
        ways=ways,
    )


def leaf(frame: Frame, slot: Slot) -> Any:
    """What is stored for an owner.

    Raises:
      MissingParameterError: the params lack it.
      ParameterShapeError, ParameterDtypeError: it has another shape, or another kind of number.
    """
    value = owned_value(frame, slot.path)
    if value is None:
        raise missing(frame, slot.path, slot.full_shape, slot.full_dtype, slot)
    wanted = slot.full_shape
    if frame.stack_slices:
        active = {stack_slice.prefix for stack_slice in frame.stack_slices}
        wanted = wanted[sum(prefix in active for prefix, _ in slot.stack) :]
    if tuple(getattr(value, "shape", wanted)) != wanted and slot.staged:
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
    check_leaf(value, slot.path, wanted, slot.full_dtype, lambda: slot.party("owner"))
    return value


def part(frame: Frame, slot: Slot, path: str) -> Any:
    """A leaf that one of a slot's stages keeps.

    Args:
      frame: of the run.
      slot: whose stage it is.
      path: the leaf's.

    Raises:
      MissingParameterError: params or state lack it.
    """
    if path in frame.plan.slots:
        return leaf(frame, frame.plan.slots[path])
    value = frame.read(("stage", path), frame.read(("state", path)))
    if value is None:
        raise MissingParameterError(
            f"No value for the state '{path}', which '{frame.plan.states[path].asker}' keeps",
            parties=[slot.party("owner")],
            ways=["use the state that init of this model returned"],
        )
    return value
