"""`get_state` and `set_state` under Haiku's rules: a first and a newest value for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import MissingParameterError, Party, nearest
from tenure.core.run import hooks
from tenure.core.run import state as core_state
from tenure.core.run.requests import context
from tenure.core.sites import call_site
from tenure.haiku.engine.do_not_store import DO_NOT_STORE
from tenure.haiku.engine.frames import NOTHING, HaikuFrame, the_frame
from tenure.haiku.engine.parameters import made_by_creators, slot_path


def get_state(name: str, shape: Sequence[int] | None = None, dtype: Any = jnp.float32, init: Any = None) -> Any:
    """The current module's state `name`; see `tenure.haiku.get_state`."""
    frame = the_frame("get_state")
    path = slot_path(frame, name, "get_state")
    if frame.sources.of(path).kind == "borrow":
        value = _borrowed(frame, path, shape, dtype)
    else:
        value = frame.read(("state", path), NOTHING)
        if value is NOTHING:
            value = _create(frame, path, shape, dtype, init)
    getters = hooks.chain("state_getter")
    return hooks.run_getters(getters, value, context(frame, path, shape, dtype, init)) if getters else value


def _create(frame: HaikuFrame, path: str, shape: Any, dtype: Any, init: Any) -> Any:
    module, _, name = path.rpartition("/")
    if init is None:
        have = list(frame.made("state"))
        raise MissingParameterError(
            f"No value for {name!r} in {module!r}, perhaps set an init function?",
            parties=[Party("asker", path, "", str(call_site())), Party("state", f"{len(have)} entries")],
            near=nearest(path, have),
            ways=["hk.get_state(name, shape, dtype, init=jnp.zeros)", "use the state that init of this model returned"],
        )
    if shape is None or dtype is None:
        raise ValueError(f"Must provide shape and dtype to initialize {name!r} in {module!r}.")
    value = made_by_creators("state_creator", frame, path, shape, dtype, init)
    if value is not DO_NOT_STORE:
        frame.write(("state", path), value)
        if not frame.unplanned:
            record(frame, path, value)
    return value


def _borrowed(frame: HaikuFrame, path: str, shape: Any, dtype: Any) -> Any:
    source = frame.sources.of(path)
    if frame.frozen:
        return core_state.read_state(frame, path, source)
    if path not in frame.state_requests:
        spec = jax.ShapeDtypeStruct(tuple(shape or ()), jax.dtypes.canonicalize_dtype(dtype))
        core_state.record(frame, path, spec, source)
    return frame.borrowed_value(frame.state_requests[path])


def set_state(name: str, value: Any) -> None:
    """Sets the current module's state `name`; see `tenure.haiku.set_state`."""
    frame = the_frame("set_state")
    path = slot_path(frame, name, "set_state")
    value = core_state.through_setters(frame, path, value)
    source = frame.sources.of(path)
    if value is DO_NOT_STORE or (source.kind == "borrow" and not frame.frozen):
        return
    if source.kind == "borrow":
        path, value = core_state.back_to_owner(frame, path, value, source)
    elif path not in frame.state_requests and not (frame.frozen or frame.unplanned):
        record(frame, path, value)
    frame.write(("state", path), value)


def record(frame: HaikuFrame, path: str, value: Any) -> None:
    """Notes a state's owner, for the ledger."""
    core_state.record(frame, path, core_state.abstract(value))
