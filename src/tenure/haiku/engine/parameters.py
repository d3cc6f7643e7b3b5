"""`get_parameter` under Haiku's rules: the first request creates, every later one gets the same value."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import MissingParameterError, MissingRNGError, ParameterShapeError, Party, RequestConflictError
from tenure.core.notation.paths import split
from tenure.core.run import hooks, leaves
from tenure.core.run import parameters as core_parameters
from tenure.core.run.initialisers import alike_of, drawn
from tenure.core.run.requests import context, request
from tenure.core.slots.requests import same_init
from tenure.core.slots.slot import Request, Suggested, as_shape, named
from tenure.core.slots.sources import OWN
from tenure.haiku import ownership
from tenure.haiku.engine.deferral import CountedKeys, defer, draws_one_key
from tenure.haiku.engine.do_not_store import DO_NOT_STORE
from tenure.haiku.engine.frames import HaikuFrame, _closed, check_usage, the_frame
from tenure.haiku.engine.keys import PRNGSequence
from tenure.initializers import samples


def get_parameter(
    name: str,
    shape: Sequence[int],
    dtype: Any = None,
    init: Any = None,
    *,
    axes: Sequence[str | None] | None = None,
    stages: Any = None,
) -> jax.Array:
    """The current module's parameter `name`; see `tenure.haiku.get_parameter`."""
    frame = the_frame("get_parameter")
    path = slot_path(frame, name, "get_parameter")
    dtype = jnp.float32 if dtype is None else dtype
    value = _known(frame, path, shape, dtype, init)
    if value is None:
        value = outer_value(frame, path)
    if value is None:
        value = _create(frame, path, shape, dtype, init, axes, stages)
    getters = hooks.chain("param_getter")
    if getters:
        told = context(frame, path, shape, dtype, _no_initializer if init is None else init)
        value = hooks.run_getters(getters, value, told)
    if value is None:
        raise ValueError("Parameters cannot be `None`.")
    if value.shape != shape and value.shape != tuple(shape):
        raise _misfit(frame, path, shape, dtype, value)
    return value


def slot_path(frame: HaikuFrame, name: str, what: str) -> str:
    """The path of the slot that the running code calls `name`, for `what`, the function that asks."""
    check_usage(frame, what)
    return f"{scope_name(frame)}/{name}"


def scope_name(frame: HaikuFrame) -> str:
    """The name of the current module or scope; `~` outside of any.

    Raises:
      ValueError: the module has no name yet.
    """
    scope = frame.scope
    if not scope.path and scope.module is not None:
        raise ValueError("The super constructor must be called before you create parameters or submodules.")
    if _closed.get() >= 0 and scope.module is not None:
        check_boundary(scope.module)
    return scope.path or "~"


def check_boundary(module: Any) -> None:
    """Raises if a module was built outside of the transparently lifted function that uses it."""
    if module.__dict__["_construction"].epoch < _closed.get():
        raise ValueError(
            "You can't functionally close over a module which has been intitialized outside of the function wrapped in "
            f"hk.transparent_lift or hk.layer_stack.\nThe module you closed over is called '{module.module_name}'."
        )


def outer_value(frame: HaikuFrame, path: str) -> Any:
    """The value of a forced name that a layer stack finds outside of itself, or None."""
    around = frame.stack_around
    if around is None or frame.scope.module is None or ownership.get("forced_names_in_stacks") == "haiku":
        return None
    if not frame.scope.module.__dict__["_construction"].forced:
        return None
    return around.stored_value(path)


def _no_initializer(shape: Any, dtype: Any) -> Any:
    raise ValueError("Initializer must be specified.")


def _create(frame: HaikuFrame, path: str, shape: Any, dtype: Any, init: Any, axes: Any, stages: Any) -> Any:
    init = _no_initializer if init is None else init
    keys, deferred = frame.rng, None
    if frame.deferred_values is not None and not hooks.chain("param_creator") and isinstance(keys, CountedKeys):
        deferred = defer(keys, init, shape, dtype)
    try:
        if deferred is not None and isinstance(keys, CountedKeys):
            frame.deferred_values[path] = deferred  # type: ignore[index]
            value = keys.stand_in(deferred, deferred.shape, jax.dtypes.canonicalize_dtype(dtype))
        else:
            value = made_by_creators("param_creator", frame, path, shape, dtype, init)
    except MissingRNGError as e:
        if frame.frozen:
            raise missing(frame, path, shape, dtype) from e
        raise
    if value is DO_NOT_STORE:
        return value
    if frame.frozen:
        raise missing(frame, path, shape, dtype)
    if value is None:
        raise ValueError("Parameters cannot be `None`.")
    frame.write(("params", path), value)
    record(frame, path, value, init, axes, stages)
    return value


def made_by_creators(kind: str, frame: HaikuFrame, path: str, shape: Any, dtype: Any, init: Any) -> Any:
    """A first value, as the creators around answer, or the initialiser.

    In a trace, there is one trace for all initialisers that draw the same distribution and shape.
    """
    creators = hooks.chain(kind)
    if creators:
        return hooks.run_creators(creators, shape, dtype, init, context(frame, path, shape, dtype, init))
    alike = None
    if kind == "param_creator" and type(frame.rng) is PRNGSequence and draws_one_key(init, dtype):
        alike = alike_of(init, shape, dtype)
    return samples.make(init, shape, dtype) if alike is None else drawn(next(frame.rng), alike)  # type: ignore[arg-type]


def record(frame: HaikuFrame, path: str, value: Any, init: Any, axes: Any = None, stages: Any = None) -> None:
    """Notes an owner, for the ledger."""
    shape, dtype = tuple(getattr(value, "shape", ())), getattr(value, "dtype", "tree")
    more: Any = {"init": init, "axes": axes if axes is None or isinstance(axes, Suggested) else tuple(axes)}
    asked = Request(path, shape, dtype, **more) if frame.unplanned else request(frame, path, shape, dtype, **more)
    if stages is not None:
        asked = dataclasses.replace(asked, stages=core_parameters.read_stages(stages, asked))
    frame.note_mode(path)
    frame.requests[path] = asked


def _check_again(frame: HaikuFrame, path: str, dtype: Any, init: Any) -> None:
    """Raises if a later request for a path wants something else than the first."""
    first = frame.requests.get(path)
    if first is None or init is None or first.init is init or ownership.get("second_request") == "haiku":
        return
    if hooks.chain("param_creator") or same_init(first.init, init):
        return
    raise RequestConflictError(
        f"'{path}' is asked for twice with another initialiser",
        parties=[first.party("first"), request(frame, path, first.shape, dtype, init=init).party("second")],
        ways=[
            "ask for the same thing both times, or give one of them another name",
            "hk.ownership.set(second_request='haiku'), which takes the first and ignores the second",
        ],
    )


def _known(frame: HaikuFrame, path: str, shape: Any, dtype: Any, init: Any) -> Any:
    """The slot's value, if there is one already: in apply as the plan says, while the function creates as made before."""
    if frame.frozen:
        value = frame.stored_value(path)
        slot = None if frame.plan.plain else frame.plan.slots.get(path)
        if slot is None:
            core_parameters.check_planned(frame, path, shape, dtype)
        if slot is None or (slot.kind == "owned" and not slot.staged):
            return value
        return core_parameters.read_parameter(frame, path, shape, dtype, init)
    source = frame.sources.of(path)
    if source.kind in ("borrow", "given", "forbid"):
        core_parameters.plan_parameter(frame, path, shape, dtype, init, None, source)
        return source.value if source.kind == "given" else frame.borrowed_value(frame.requests[path])
    value = frame.stored_value(path)
    if value is not None and source is OWN:
        if path in frame.requests:
            frame.note_mode(path)
        _check_again(frame, path, dtype, init)
    return value


def _misfit(frame: HaikuFrame, path: str, shape: Any, dtype: Any, value: Any) -> ParameterShapeError:
    asked = request(frame, path, as_shape(shape, path), dtype)
    return ParameterShapeError(
        f"'{path}' with retrieved shape {value.shape!r} does not match shape={shape!r} dtype={dtype!r}",
        parties=[
            asked.party("asker"),
            Party("params" if frame.frozen else "first", path, f"{tuple(value.shape)} {named(value.dtype)}"),
        ],
        ways=["use params from init of this model, with inputs of these shapes"],
    )


def missing(frame: HaikuFrame, path: str, shape: Any, dtype: Any) -> MissingParameterError:
    """The error of a parameter that the params given to apply do not have."""
    module, name = split(path)
    error = leaves.missing(frame, path, shape, dtype)
    return MissingParameterError(
        f"Unable to retrieve parameter {name!r} for module {module!r} All parameters must be created as part of `init`.",
        parties=error.parties,
        near=error.near,
        ways=error.ways,
    )
