"""What a function that `hk.transform` runs may ask for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run import hooks, rng
from tenure.core.run import naming as core_naming
from tenure.core.run import parameters as slots
from tenure.core.run import state as core_state
from tenure.core.run.frame import current_frame, maybe_frame
from tenure.haiku.engine.frames import HaikuFrame, check_usage, outside, the_frame
from tenure.haiku.engine.keys import PRNGSequence, PRNGSequenceState, missing_key
from tenure.haiku.engine.profile import scope_name

Context = contextlib.AbstractContextManager[None]


def _inside(what: str) -> None:
    if maybe_frame() is None:
        raise outside(what)


def get_parameter(
    name: str, shape: Sequence[int], dtype: Any = None, init: Callable[[Sequence[int], Any], Any] | None = None
) -> jax.Array:
    """The current module's parameter `name`. The first request creates it, at init; every later one gets the same.

    Args:
      name: local name.
      shape, dtype: of the array; float32 if None.
      init: `init(shape, dtype) -> array`.

    Returns:
      An array of that shape.

    Raises:
      MissingParameterError: the params given to `apply` do not have it.
      ParameterShapeError: they have it in another shape.
      RequestConflictError: it was asked for with another initialiser; see `tenure.haiku.ownership`.

    >>> import tenure.haiku as hk
    >>> hk.transform(lambda: hk.get_parameter("w", [2], init=jnp.ones)).init(None)
    {'~': {'w': Array([1., 1.], dtype=float32)}}
    """
    _inside("get_parameter")
    return slots.get_parameter(name, shape, jnp.float32 if dtype is None else dtype, init)


def get_state(
    name: str,
    shape: Sequence[int] | None = None,
    dtype: Any = jnp.float32,
    init: Callable[[Sequence[int], Any], Any] | None = None,
) -> Any:
    """The newest value of the current module's state `name`; the first request creates it, if it can.

    Args:
      name: local name.
      shape, dtype: for the initialiser.
      init: `init(shape, dtype) -> value`; None if the state must be there.

    Raises:
      MissingParameterError: there is no value, and no initialiser.

    >>> import tenure.haiku as hk
    >>> hk.transform_with_state(lambda: hk.get_state("n", [], init=jnp.zeros)).init(None)
    ({}, {'~': {'n': Array(0., dtype=float32)}})
    """
    _inside("get_state")
    return core_state.get_state(name, shape, dtype, init)


def set_state(name: str, value: Any) -> None:
    """Sets the current module's state `name`, an array or any tree of arrays.

    The first value that is set is what `init` returns; `apply` returns the last.

    >>> import tenure.haiku as hk
    >>> f = hk.transform_with_state(lambda: hk.set_state("n", jnp.ones(())))
    >>> f.apply({}, {}, None)
    (None, {'~': {'n': Array(1., dtype=float32)}})
    """
    _inside("set_state")
    core_state.set_state(name, value)


def next_rng_key() -> jax.Array:
    """The next random key.

    Raises:
      MissingRNGError: no key was given to `init` or `apply`.

    >>> import tenure.haiku as hk
    >>> f = hk.transform(hk.next_rng_key)
    >>> f.apply({}, jax.random.PRNGKey(0)).shape
    (2,)
    """
    _inside("next_rng_key")
    return rng.next_rng_key()


def next_rng_keys(num: int) -> jax.Array:
    """The next `num` random keys, stacked: `[num, 2]` for raw ones.

    Raises:
      MissingRNGError: no key was given to `init` or `apply`.
    """
    _inside("next_rng_keys")
    frame = maybe_frame()
    return rng.next_rng_keys(num) if frame is None or frame.profile is None else frame.profile.next_rng_keys(num)


def maybe_next_rng_key() -> jax.Array | None:
    """The next random key, or None if no key was given to `init` or `apply`."""
    _inside("maybe_next_rng_key")
    return rng.maybe_next_rng_key()


def reserve_rng_keys(num: int) -> None:
    """Splits `num` keys off now, which is faster than one by one.

    Raises:
      MissingRNGError: no key was given to `init` or `apply`.
    """
    frame = the_frame("reserve_rng_keys")
    check_usage(frame, "reserve_rng_keys")
    if frame.rng is None:
        raise missing_key()
    frame.rng.reserve(num)


def maybe_get_rng_sequence_state() -> PRNGSequenceState | None:
    """The state of the keys, for `replace_rng_sequence_state` or another `PRNGSequence`; None without keys."""
    frame = the_frame("maybe_get_rng_sequence_state")
    return None if frame.rng is None else frame.rng.internal_state


def replace_rng_sequence_state(state: PRNGSequenceState) -> None:
    """Draws the next keys from another state on.

    Raises:
      MissingRNGError: no key was given to `init` or `apply`.
    """
    frame = the_frame("replace_rng_sequence_state")
    if frame.rng is None:
        raise type(missing_key())(
            "replace_rng_sequence_state requires an RNG to be passed into the transformed function"
        )
    check_usage(frame, "replace_rng_sequence_state")
    frame.rng.replace_internal_state(state)


@contextlib.contextmanager
def _keys_from(frame: HaikuFrame, key: Any):
    frame.rngs.append(PRNGSequence(key))
    try:
        yield
    finally:
        frame.rngs.pop()


def with_rng(key: jax.Array) -> Context:
    """Within, keys are drawn from a new sequence that starts with `key`.

    >>> import tenure.haiku as hk
    >>> def f():
    ...     with hk.with_rng(jax.random.PRNGKey(1)):
    ...         return hk.next_rng_key()
    >>> (hk.transform(f).apply({}, None) == next(hk.PRNGSequence(1))).all().item()
    True
    """
    frame = the_frame("with_rng")
    check_usage(frame, "with_rng")
    return _keys_from(frame, key)


def get_params() -> Mapping[str, Mapping[str, jax.Array]]:
    """A copy of the parameters: at init those made so far, at apply all."""
    return the_frame("get_params").stored()


def get_initial_state() -> Mapping[str, Mapping[str, jax.Array]]:
    """A copy of the states' first values: what `init` would return, or what `apply` was given."""
    return the_frame("get_initial_state").bundles("initial")


def get_current_state() -> Mapping[str, Mapping[str, jax.Array]]:
    """A copy of the states' newest values: what `apply` would return."""
    return the_frame("get_current_state").bundles("state", "stage")


def current_name() -> str:
    """The full name of the current module or scope; `~` outside of any.

    >>> import tenure.haiku as hk
    >>> hk.transform(hk.current_name).apply({}, None)
    '~'
    """
    _inside("current_name")
    frame = current_frame("current_name")
    return scope_name(frame) if isinstance(frame, HaikuFrame) else core_naming.current_name()


def custom_creator(creator: Callable[..., Any], *, params: bool = True, state: bool = False) -> Context:
    """Within, `creator(next_creator, shape, dtype, init, context)` makes each new parameter (or state).

    Args:
      creator: see above; `context` says the path, the module, the shape, the dtype and the initialiser.
      params: whether it makes parameters.
      state: whether it makes states.

    >>> import tenure.haiku as hk
    >>> def zeros(next_creator, shape, dtype, init, context):
    ...     return next_creator(shape, dtype, jnp.zeros)
    >>> def f():
    ...     with hk.custom_creator(zeros):
    ...         return hk.get_parameter("w", [2], init=jnp.ones)
    >>> hk.transform(f).init(None)
    {'~': {'w': Array([0., 0.], dtype=float32)}}
    """
    _inside("custom_creator")
    return hooks.custom_creator(creator, params=params, state=state)


def custom_getter(getter: Callable[..., Any], *, params: bool = True, state: bool = False) -> Context:
    """Within, `getter(next_getter, value, context)` answers each read of a parameter (or state).

    Args:
      getter: see above; `context` says the path, the module, the shape, the dtype and the initialiser.
      params: whether it answers reads of parameters.
      state: whether it answers reads of states.

    >>> import tenure.haiku as hk
    >>> def f():
    ...     with hk.custom_getter(lambda next_getter, value, context: next_getter(value * 2)):
    ...         return hk.get_parameter("w", [2], init=jnp.ones)
    >>> hk.transform(f).apply({"~": {"w": jnp.ones(2)}}, None)
    Array([2., 2.], dtype=float32)
    """
    _inside("custom_getter")
    return hooks.custom_getter(getter, params=params, state=state)


def custom_setter(setter: Callable[..., Any]) -> Context:
    """Within, `setter(next_setter, value, context)` handles each `set_state`.

    >>> import tenure.haiku as hk
    >>> def f():
    ...     with hk.custom_setter(lambda next_setter, value, context: next_setter(-value)):
    ...         hk.set_state("n", jnp.ones(()))
    >>> hk.transform_with_state(f).init(None)[1]
    {'~': {'n': Array(-1., dtype=float32)}}
    """
    _inside("custom_setter")
    return hooks.custom_setter(setter)


def intercept_methods(interceptor: Callable[..., Any]) -> Context:
    """Within, `interceptor(next_method, args, kwargs, context)` handles each call of a module's method.

    >>> import tenure.haiku as hk
    >>> def doubled(next_method, args, kwargs, context):
    ...     out = next_method(*args, **kwargs)
    ...     return out if context.method_name == "__init__" else out * 2
    >>> with hk.intercept_methods(doubled):
    ...     hk.transform(lambda: hk.Flatten()(jnp.ones(1))).apply({}, None)
    Array([2.], dtype=float32)
    """
    return hooks.intercept_methods(interceptor)
