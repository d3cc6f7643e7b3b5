"""`get_state` and `set_state` under Haiku's rules: a first and a newest value for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import MissingParameterError, Party, nearest
from tenure.core.run import hooks
from tenure.core.run import state as core_state
from tenure.core.sites import call_site
from tenure.core.slots.sources import OWN
from tenure.haiku.engine.contexts import DO_NOT_STORE, GetterContext, SetterContext
from tenure.haiku.engine.frames import NOTHING, HaikuFrame, check_usage, lift_prefix, the_frame
from tenure.haiku.engine.parameters import run_creators, scope_name


def get_state(name: str, shape: Sequence[int] | None = None, dtype: Any = jnp.float32, init: Any = None) -> Any:
    """The current module's state `name`; see `tenure.haiku.get_state`."""
    frame = the_frame("get_state")
    check_usage(frame, "get_state")
    module = scope_name(frame)
    path = f"{module}/{name}"
    source = frame.sources.of(path)
    context = GetterContext(path, frame.scope.module, dtype, shape or (), init, lift_prefix(frame))
    context = context._replace(original_shape=shape)  # type: ignore[arg-type]
    if source is not OWN and source.kind == "borrow":
        value = _borrowed(frame, path, shape, dtype, source)
    else:
        value = frame.read(("state", path), NOTHING)
        if value is NOTHING:
            value = _create(frame, module, name, shape, dtype, init, context)
    getters = hooks.chain("state_getter")
    return hooks.run_getters(getters, value, context) if getters else value


def _create(frame: HaikuFrame, module: str, name: str, shape: Any, dtype: Any, init: Any, context: Any) -> Any:
    if init is None:
        raise _missing(frame, module, name)
    if shape is None or dtype is None:
        raise ValueError(f"Must provide shape and dtype to initialize {name!r} in {module!r}.")
    creators = hooks.chain("state_creator")
    value = run_creators(creators, context, shape, dtype, init)
    if value is not DO_NOT_STORE:
        frame.write(("state", f"{module}/{name}"), value)
        if not frame.unplanned:
            record(frame, f"{module}/{name}", value)
    return value


def _borrowed(frame: HaikuFrame, path: str, shape: Any, dtype: Any, source: Any) -> Any:
    if frame.frozen:
        return core_state.read_state(frame, path, source)
    if path not in frame.state_requests:
        spec = jax.ShapeDtypeStruct(tuple(shape or ()), jax.dtypes.canonicalize_dtype(dtype))
        core_state.record(frame, path, spec, source)
    return frame.borrowed_value(frame.state_requests[path])


def set_state(name: str, value: Any) -> None:
    """Sets the current module's state `name`; see `tenure.haiku.set_state`."""
    frame = the_frame("set_state")
    check_usage(frame, "set_state")
    module = scope_name(frame)
    path = f"{module}/{name}"
    setters = hooks.chain("setter")
    if setters:
        shape = jax.tree.map(lambda x: getattr(x, "shape", None), value)
        dtype = jax.tree.map(lambda x: getattr(x, "dtype", None), value)
        context = SetterContext(path, frame.scope.module, dtype, shape, lift_prefix(frame))
        value = hooks.run_getters(setters, value, context)
        if value is DO_NOT_STORE:
            return
    source = frame.sources.of(path)
    if source is not OWN and source.kind == "borrow":
        if not frame.frozen:
            return
        path, value = core_state.back_to_owner(frame, path, value, source)
    elif path not in frame.state_requests and not (frame.frozen or frame.unplanned):
        record(frame, path, value)
    frame.write(("state", path), value)


def record(frame: HaikuFrame, path: str, value: Any) -> None:
    """Notes a state's owner, for the ledger."""
    core_state.record(
        frame, path, jax.tree.map(lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), value)
    )


def _missing(frame: HaikuFrame, module: str, name: str) -> MissingParameterError:
    have = list(frame.made("state"))
    return MissingParameterError(
        f"No value for {name!r} in {module!r}, perhaps set an init function?",
        parties=[Party("asker", f"{module}/{name}", "", str(call_site())), Party("state", f"{len(have)} entries")],
        near=nearest(f"{module}/{name}", have),
        ways=["hk.get_state(name, shape, dtype, init=jnp.zeros)", "use the state that init of this model returned"],
    )
