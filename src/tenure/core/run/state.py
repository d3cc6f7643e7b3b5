"""State: values that change from call to call, such as running statistics. Owned and borrowed like parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import get_opaque_trace_state

from tenure.core.errors import LeakedTracerError, MissingParameterError, NoInverseError, Party, nearest
from tenure.core.notation import paths
from tenure.core.notation.refs import NoWayBack, Ref, back, follow
from tenure.core.run import hooks
from tenure.core.run.frame import NOTHING, Frame, Mode, current_frame, placeholder
from tenure.core.run.initialisers import initial_value
from tenure.core.run.parameters import check_planned, described, slot_path, with_key
from tenure.core.run.profile import by_profile
from tenure.core.sites import call_site
from tenure.core.slots.slot import Request
from tenure.core.slots.sources import OWN, Source


def get_state(
    name: str,
    shape: Sequence[int] | None = None,
    dtype: Any = jnp.float32,
    init: Callable[[Sequence[int], Any], Any] | None = None,
) -> Any:
    """The current value of the current module's state `name`.

    Args:
      name: local name.
      shape, dtype: for the initialiser.
      init: `init(shape, dtype)`, run once by `init`.

    Raises:
      MissingParameterError: there is no value, and no initialiser to make one.

    >>> import jax.numpy as jnp, tenure as tn
    >>> def counter():
    ...     count = tn.get_state("count", (), jnp.int32, init=jnp.zeros)
    ...     tn.set_state("count", count + 1)
    ...     return count
    >>> model = tn.transform_with_state(counter)
    >>> params, state = model.init(None)
    >>> model.apply(params, state, None)
    (Array(0, dtype=int32), {'~': {'count': Array(1, dtype=int32)}})
    """
    frame = current_frame("get_state")
    path = slot_path(frame, name, "get_state")
    known = _planned_state(frame, path, shape, dtype, init) if frame.planning else read_state(frame, path)
    value = first_state(frame, path, shape, dtype, init) if known is NOTHING else known
    getters = hooks.chain("state_getter")
    if getters:
        value = hooks.run_getters(getters, value, frame.told(path, shape, dtype, init))
    return value


def set_state(name: str, value: Any) -> None:
    """Sets the current module's state `name`, an array or any pytree of arrays.

    Where the state is borrowed, the owner's value is set, through the inverse of the view.

    Raises:
      LeakedTracerError: inside a raw JAX transformation, which the value would outlive.
      NoInverseError: the state is borrowed through a view that has no inverse.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform_with_state(lambda x: tn.set_state("last", x))
    >>> model.apply({}, {}, None, jnp.ones(2))
    (None, {'~': {'last': Array([1., 1.], dtype=float32)}})
    """
    frame = current_frame("set_state")
    path = slot_path(frame, name, "set_state")
    check_outlived(frame, path)
    if setters := hooks.chain("setter"):
        dtypes, shapes = jax.tree.map(jnp.result_type, value), jax.tree.map(jnp.shape, value)
        told = hooks.SetterContext(path, frame.scope.module, dtypes, shapes, frame.lifted_prefix)
        value = hooks.run_getters(setters, value, told)
    if value is hooks.DO_NOT_STORE:
        return
    if frame.planning:
        source, asked = frame.sources.of(path), frame.state_requests.get(path)
        if asked is None:
            record(frame, path, abstract(value), source)
        else:
            frame.state_requests[path] = asked.but(value=abstract(value))
        if source.kind == "borrow" and frame.creating:  # what its owner has first is the owner's
            return
    else:
        path, value = _back_to_owner(frame, path, value)
        if frame.mode is Mode.INIT and ("state", path) in frame.deferred and frame.read(("initial", path)) is None:
            frame.write(("initial", path), value)
    frame.write(("state", path), value)  # while planning, for tn.vmap, whose lanes must leave the same


@by_profile
def check_outlived(frame: Frame, path: str) -> None:
    """Raises `LeakedTracerError` if a state is set inside of a raw JAX transformation, which its value would outlive."""
    if get_opaque_trace_state(convention="tenure") != frame.trace:
        inside, site = frame.skipping() or ("a JAX transformation", "")
        raise LeakedTracerError(
            f"the state '{path}' is set inside of {inside}, which its value would outlive",
            parties=[Party("asker", path, "", str(call_site())), Party("inside", inside, "", str(site))],
            ways=["use tn.jit, tn.vmap, tn.grad, tn.scan, … inside of tn.transform_with_state"],
        )


def abstract(value: Any) -> Any:
    """The shapes and dtypes of a state."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(jnp.shape(x), getattr(x, "dtype", None) or jnp.result_type(x)), value
    )


def record(frame: Frame, path: str, value: Any, source: Source = OWN, **more: Any) -> Request:
    """Notes a request for a state.

    Args:
      frame: the run.
      path: the state's.
      value: the structure of its shapes.
      source: what is to fill its slot.
      **more: further attributes of `Request`.
    """
    leaf = value if isinstance(value, jax.ShapeDtypeStruct) else None
    shape, dtype = ((), "tree") if leaf is None else (leaf.shape, leaf.dtype)
    asked = frame.request(path, shape, dtype, source=source, collection="state", value=value, **more)
    if asked.kind == "given":  # an array is no state's owner: the state is the module's own
        asked = asked.but(source=OWN)
    frame.state_requests[path] = asked
    return asked


def _planned_state(frame: Frame, path: str, shape: Any, dtype: Any, init: Any) -> Any:
    """What a request for a state is answered with while planning; `NOTHING` if it is the first."""
    asked, source = frame.state_requests.get(path), frame.sources.of(path)
    if asked is None and source.kind == "borrow":
        shape, dtype = described(frame, path, () if shape is None else shape, dtype, init)
        asked = record(frame, path, jax.ShapeDtypeStruct(shape, dtype), source)
    return frame.read(("state", path), NOTHING) if asked is None else planned_state(frame, asked)


@by_profile
def planned_state(frame: Frame, asked: Request) -> Any:
    """What a recorded request for a state is answered with while planning: here, stand-ins."""
    inner = frame.inner
    return jax.tree.map(lambda a: placeholder(a.shape, a.dtype, inner), asked.value)


@by_profile
def first_state(frame: Frame, path: str, shape: Any, dtype: Any, init: Any) -> Any:
    """What the first request for a state is answered with, where there is no value yet.

    Args:
      frame: the run.
      path: the state's.
      shape, dtype, init: as handed to `get_state`.

    Raises:
      MissingParameterError: there is no initialiser to make one, or the run makes none.
    """
    creators = hooks.chain("state_creator")
    if frame.mode is Mode.APPLY or (init is None and not (creators and frame.planning)):
        raise _missing_state(frame, path)
    if frame.mode is Mode.INIT:
        value = jax.tree.map(jnp.asarray, initial_value(init, shape, dtype, lambda: frame.asker(path)))
        set_state(paths.split(path)[1], value)
        return value
    given, dtype = described(frame, path, () if shape is None else shape, dtype, init)
    shape = None if shape is None else given
    told = frame.told(path, shape, dtype, init)

    def make() -> Any:
        def run(shape: Any, dtype: Any) -> Any:
            if init is None:
                raise _missing_state(frame, path)
            return initial_value(init, shape, dtype, lambda: frame.asker(path))

        return jax.tree.map(jnp.asarray, hooks.run_creators(creators, shape, dtype, run, told))

    value = abstract(jax.eval_shape(lambda: with_key(jax.random.PRNGKey(0), make)))
    return planned_state(frame, record(frame, path, value, make=make, init=init))


def _lender(frame: Frame, path: str) -> Ref | None:
    """What a state borrows in a run, as the plan says.

    Raises:
      UnplannedShareError: the plan does not know of it.
    """
    slot = frame.plan.states.get(path)
    if slot is None:
        check_planned(frame, path, (), "tree", frame.sources.of(path), ["borrow"])
    return None if slot is None else slot.target


def read_state(frame: Frame, path: str) -> Any:
    """The newest value of a state, or of what the state borrows; `NOTHING` if there is none.

    Args:
      frame: of the run.
      path: the state's.

    Raises:
      MissingParameterError: what the state borrows has no value.
      UnplannedShareError: the plan does not know that the state borrows.
    """
    target = _lender(frame, path)
    if target is None:
        return frame.read(("state", path), NOTHING)

    def start(ref: Ref) -> Any:
        value = read_state(frame, ref.path)
        if value is NOTHING:
            raise _missing_state(frame, ref.path)
        return value

    return follow(target, start, lambda view, value, others: view(value, *others))


def _back_to_owner(frame: Frame, path: str, value: Any) -> tuple[str, Any]:
    """The path of a state's owner, and the value that the owner needs for the state to be `value`.

    Raises:
      NoInverseError: the state is borrowed through a view that has no inverse.
    """
    while (target := _lender(frame, path)) is not None:
        owner = frame.plan.states[target.path]
        try:
            value = back(target, value, owner.shape, owner.dtype)
        except NoWayBack as e:
            raise NoInverseError(
                f"'{path}' sets a state that it borrows through '{e.view}', which has no inverse",
                parties=[frame.plan.states[path].party("user"), owner.party("owner", str(target))],
                ways=["set it where it is owned", "borrow it through a view that has an inverse, or own it"],
            ) from None
        path = owner.path
    return path, value


def _missing_state(frame: Frame, path: str) -> MissingParameterError:
    have = [p for kind, p in frame.visible() if kind == "state"] or list(frame.state_requests)
    return MissingParameterError(
        f"No value for the state '{path}'",
        parties=[Party("asker", path, "", str(call_site())), Party("state", f"{len(have)} entries")],
        near=nearest(path, have),
        ways=["get_state(name, shape, dtype, init=jnp.zeros)", "use the state that init of this model returned"],
    )
