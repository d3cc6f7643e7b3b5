"""The Haiku profile: what the core asks the running frame's front end.

Parameters and states are as under Haiku's rules: the first request creates, every later one gets the same value.
"""

from __future__ import annotations

from typing import Any

import jax

from tenure.core.errors import (
    MissingParameterError,
    MissingRNGError,
    ParameterShapeError,
    Party,
    RequestConflictError,
    nearest,
)
from tenure.core.notation.paths import split
from tenure.core.run import hooks, leaves
from tenure.core.run import module as core_module
from tenure.core.run import state as core_state
from tenure.core.run.frame import NOTHING, Frame, Mode, current_frame, maybe_frame
from tenure.core.run.hooks import DO_NOT_STORE
from tenure.core.run.initialisers import alike_of, drawn
from tenure.core.sites import Site, call_site
from tenure.core.slots.requests import check_repeated, same_init
from tenure.core.slots.slot import Request, as_shape, named
from tenure.core.slots.sources import OWN, Source
from tenure.haiku import config, ownership
from tenure.haiku.engine.deferral import CountedKeys, defer, draws_one_key
from tenure.haiku.engine.frames import HaikuFrame, _closed, check_usage, usage_error
from tenure.haiku.engine.keys import PRNGSequence, missing_key
from tenure.haiku.engine.naming import check_name, name_scope, snake_case, unique_name  # noqa: F401 asked for here
from tenure.initializers import samples


def slot_path(frame: HaikuFrame, name: str, what: str) -> str:
    """The path of the slot that the running code calls `name`, for `what`, the function that asks."""
    check_usage(frame, what)
    return f"{scope_name(frame)}/{name}"


def scope_name(frame: HaikuFrame) -> str:
    """The name of the current module or scope; `~` outside of any.

    Raises:
      ValueError: the module has no name yet, or was built outside of the transparently lifted function that uses it.
    """
    scope = frame.scope
    if not scope.path and scope.module is not None:
        raise ValueError("The super constructor must be called before you create parameters or submodules.")
    closed = _closed.get()
    if closed >= 0 and scope.module is not None and scope.module.__dict__["_construction"].epoch < closed:
        raise ValueError(
            "You can't functionally close over a module which has been intitialized outside of the function wrapped in "
            f"hk.transparent_lift or hk.layer_stack.\nThe module you closed over is called '{scope.module.module_name}'."
        )
    return scope.path or "~"


def is_repeated(frame: HaikuFrame, earlier: Request, asked: Request) -> bool:
    """Whether there is a value for a path: what a body made whose results are dropped is made again.

    Args:
      frame: the run.
      earlier: the first request for the path.
      asked: the request made now.

    Raises:
      RequestConflictError: the later request has another initialiser; see `tenure.haiku.ownership`.
    """
    if asked.kind != "owned":
        check_repeated(earlier, frame.makers[asked.path], asked, frame.maker())
        return True
    if frame.stored_value(asked.path) is None:
        return False
    same = asked.init is None or earlier.init is asked.init or asked.source is not OWN or hooks.chain("param_creator")
    if not same and ownership.get("second_request") != "haiku" and not same_init(earlier.init, asked.init):
        raise RequestConflictError(
            f"'{asked.path}' is asked for twice with another initialiser",
            parties=[earlier.party("first"), asked.but(shape=earlier.shape).party("second")],
            ways=[
                "ask for the same thing both times, or give one of them another name",
                "hk.ownership.set(second_request='haiku'), which takes the first and ignores the second",
            ],
        )
    return True


def planned_value(frame: HaikuFrame, asked: Request, source: Source) -> Any:
    """The value of a slot while the function creates; a borrowed one's is a stand-in, unless a first run has made the owners."""
    if asked.kind == "owned":
        return frame.stored_value(asked.path)
    return source.value if asked.kind == "given" else frame.borrowed_value(asked)


def first_answer(
    frame: HaikuFrame, asked: Request, source: Source, shape: Any, dtype: Any
) -> tuple[Request | None, Any]:
    """The first value of a parameter, and its request with the shape that it came to have; see `core.run.parameters`.

    Args:
      frame: the run.
      asked: the request.
      source: where the request's value comes from.
      shape, dtype: as asked for, before `asked` made them a tuple and a dtype.
    """
    if asked.kind != "owned":
        return asked, planned_value(frame, asked, source)
    value = _outer_value(frame, asked.path)
    if value is not None:
        return None, value
    value = _created(frame, asked.path, shape, dtype, asked.init)
    if value is DO_NOT_STORE:
        return None, value
    shape, dtype = tuple(getattr(value, "shape", ())), getattr(value, "dtype", "tree")
    return asked.but(shape=shape, dtype=dtype), value


def _outer_value(frame: HaikuFrame, path: str) -> Any:
    """The value of a forced name that a layer stack finds outside of itself, or None."""
    around, module = frame.stack_around, frame.scope.module
    if around is None or module is None or ownership.get("forced_names_in_stacks") == "haiku":
        return None
    return around.stored_value(path) if module.__dict__["_construction"].forced else None


def _created(frame: HaikuFrame, path: str, shape: Any, dtype: Any, init: Any) -> Any:
    """A parameter's first value, which is kept; a stand-in for one that is left for afterwards."""
    keys, deferred = frame.rng, None
    if frame.deferred_values is not None and not hooks.chain("param_creator") and isinstance(keys, CountedKeys):
        deferred = defer(keys, init, shape, dtype)
    if deferred is not None and isinstance(keys, CountedKeys):
        frame.deferred_values[path] = deferred  # type: ignore[index]
        value = keys.stand_in(deferred, deferred.shape, jax.dtypes.canonicalize_dtype(dtype))
    else:
        value = _made_by_creators("param_creator", frame, path, shape, dtype, init)
    if value is None:
        raise ValueError("Parameters cannot be `None`.")
    if value is not DO_NOT_STORE:
        frame.write(("params", path), value)
    return value


def _made_by_creators(kind: str, frame: HaikuFrame, path: str, shape: Any, dtype: Any, init: Any) -> Any:
    """A first value, as the creators around answer, or the initialiser.

    In a trace, there is one trace for all initialisers that draw the same distribution and shape.

    Args:
      kind: "param_creator" or "state_creator".
      frame: the run.
      path: the slot's.
      shape, dtype, init: as asked for.
    """
    init = _no_initializer if init is None else init
    creators = hooks.chain(kind)
    if creators:
        return hooks.run_creators(creators, shape, dtype, init, frame.told(path, shape, dtype, init))
    alike = None
    if kind == "param_creator" and type(frame.rng) is PRNGSequence and draws_one_key(init, dtype):
        alike = alike_of(init, shape, dtype)
    return samples.make(init, shape, dtype) if alike is None else drawn(next(frame.rng), alike)  # type: ignore[arg-type]


def _no_initializer(shape: Any, dtype: Any) -> Any:
    raise ValueError("Initializer must be specified.")


def absent_value(frame: HaikuFrame, path: str, shape: Any, dtype: Any, init: Any, slot: Any) -> Any:
    """What a run has for a parameter that is not there: what is outside of a stack, what `init` makes, what nobody stores.

    Args:
      frame: the run.
      path: the parameter's.
      shape, dtype, init: as asked for.
      slot: of the plan; not needed here.
    """
    value = _outer_value(frame, path)
    if value is not None:
        return value
    if frame.mode is Mode.INIT:
        return _created(frame, path, shape, dtype, init)
    error: Exception | None = None
    try:
        value = _made_by_creators("param_creator", frame, path, shape, dtype, init)
    except MissingRNGError as e:
        error = e
    if value is DO_NOT_STORE:
        return value
    module, name = split(path)
    found = leaves.missing(frame, path, shape, dtype)
    raise MissingParameterError(
        f"Unable to retrieve parameter {name!r} for module {module!r} All parameters must be created as part of `init`.",
        parties=found.parties,
        near=found.near,
        ways=found.ways,
    ) from error


def check_stored(*_: Any) -> None:
    """Leaves the check to `check_answer`."""


def check_answer(frame: HaikuFrame, path: str, shape: Any, dtype: Any, value: Any) -> None:
    """Raises unless a parameter, as the getters answer, has the shape that is asked for.

    Args:
      frame: the run.
      path: the parameter's.
      shape, dtype: as asked for.
      value: what the getters answer.
    """
    if value is None:
        raise ValueError("Parameters cannot be `None`.")
    if value.shape != shape and value.shape != tuple(shape):
        asked = frame.request(path, as_shape(shape, path), dtype)
        role = "first" if frame.creating else "params"
        raise ParameterShapeError(
            f"'{path}' with retrieved shape {value.shape!r} does not match shape={shape!r} dtype={dtype!r}",
            parties=[asked.party("asker"), Party(role, path, f"{tuple(value.shape)} {named(value.dtype)}")],
            ways=["use params from init of this model, with inputs of these shapes"],
        )


def planned_state(frame: HaikuFrame, asked: Request) -> Any:
    """The value of a state while the function creates; `NOTHING` if a body made it whose results are dropped."""
    return frame.borrowed_value(asked) if asked.kind == "borrowed" else frame.read(("state", asked.path), NOTHING)


def first_state(frame: HaikuFrame, path: str, shape: Any, dtype: Any, init: Any) -> Any:
    """The first value of a state, which any run may make.

    Args:
      frame: the run.
      path: the state's.
      shape, dtype, init: as asked for.
    """
    module, _, name = path.rpartition("/")
    if init is None:
        have = [p for kind, p in frame.visible() if kind == "state"]
        raise MissingParameterError(
            f"No value for {name!r} in {module!r}, perhaps set an init function?",
            parties=[Party("asker", path, "", str(call_site())), Party("state", f"{len(have)} entries")],
            near=nearest(path, have),
            ways=["hk.get_state(name, shape, dtype, init=jnp.zeros)", "use the state that init of this model returned"],
        )
    if shape is None or dtype is None:
        raise ValueError(f"Must provide shape and dtype to initialize {name!r} in {module!r}.")
    value = _made_by_creators("state_creator", frame, path, shape, dtype, init)
    if value is not DO_NOT_STORE:
        frame.write(("state", path), value)
        if frame.planning:
            note_state(frame, path, value)
    return value


def check_outlived(frame: HaikuFrame, path: str) -> None:
    """Leaves what a raw transformation does to JAX, unless `check_jax_usage` is set."""


def note_param(frame: HaikuFrame, path: str, value: Any) -> None:
    """Notes the owner of a parameter that an inner function has made."""
    frame.note_mode(path)
    frame.requests[path] = frame.request(path, tuple(value.shape), value.dtype)


def note_state(frame: HaikuFrame, path: str, value: Any) -> None:
    """Notes the owner of a state."""
    core_state.record(frame, path, core_state.abstract(value))


def maybe_next_rng_key() -> jax.Array | None:
    """The next key of the running sequence, or None."""
    frame = maybe_frame()
    assert isinstance(frame, HaikuFrame)
    if frame.rng is None:
        return None
    check_usage(frame, "next_rng_key")
    return next(frame.rng)


def next_rng_keys(num: int) -> jax.Array:
    """The next `num` keys, stacked."""
    frame = current_frame("next_rng_keys")
    assert isinstance(frame, HaikuFrame)
    check_usage(frame, "next_rng_keys")
    if frame.rng is None:
        raise missing_key()
    return jax.numpy.stack(frame.rng.take(num))


def check_cached(frame: Frame, cls: type, site: Site) -> None:
    """Raises if a module is built where JAX would skip its constructor when the code runs again."""
    if config.get_config().check_jax_usage:
        raise usage_error(cls.__name__)
    if ownership.get("cached_modules") == "error":
        switch = "hk.ownership.set(cached_modules='haiku'), which shares them"
        core_module.check_cached(frame, cls, site, "hk", switch)


def library() -> str:
    """What programs call the library."""
    return "hk"


def called(frame: HaikuFrame, path: str) -> None:
    """Notes that a module was called, for those callers that can not tell from its name."""
    for scope in frame.scopes:
        if scope.path and scope.path != path and not path.startswith(scope.path + "/"):
            frame.called_by.setdefault(scope.path, set()).add(path)
