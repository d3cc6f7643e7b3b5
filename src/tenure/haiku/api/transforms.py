"""`transform` and its relatives: functions that use modules, as pure functions of parameters, state and keys."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tenure.core.errors import NonEmptyStateError
from tenure.core.model.kinds import Transformed, TransformedWithState
from tenure.core.run.frame import Mode, current_frame, maybe_frame
from tenure.haiku.api import signatures
from tenure.haiku.api.half import Half, half
from tenure.haiku.engine.frames import outside
from tenure.haiku.engine.keys import PRNGSequence
from tenure.haiku.engine.model import HaikuModel

_USE_STATE = (
    "If your transformed function uses `hk.{get,set}_state` then use `hk.transform_with_state`, and "
    "`hk.multi_transform_with_state` for several functions."
)
_ADDED = (
    "Haiku transform adds three arguments (params, state, rng) to apply. If the functions you are transforming use the "
    "same names you must pass them positionally (e.g. `f.apply(.., my_{name})` and not by name (e.g. "
    "`f.apply(.., {name}=my_{name})`)"
)


class Tied(NamedTuple):
    """A function, and the ties and stages that it is to be transformed with."""

    function: Callable[..., Any]
    ties: Mapping[str, Any] | None = None
    stages: Mapping[str, Any] | None = None


def takes_ties(transform: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a `transform` of `Tied` functions: it takes functions, and `ties=` and `stages=`, as modules take `share=`.

    Its own signature stays Haiku's.
    """

    @functools.wraps(transform)
    def with_ties(f: Any, *args: Any, ties: Any = None, stages: Any = None, **kwargs: Any) -> Any:
        return transform(Tied(f, ties, stages), *args, **kwargs)

    return with_ties


def _keys(rng: Any, call: str, position: str) -> PRNGSequence | None:
    """The sequence that `rng` starts.

    Args:
      rng: a key, a seed, a sequence's state, or None.
      call: the signature, for the error.
      position: of `rng` in it, as a word.

    Raises:
      ValueError: it is no key; the message shows the signature of the call.
    """
    try:
        return None if rng is None else PRNGSequence(rng)
    except Exception as e:
        raise ValueError(
            f"{call.partition('(')[0].capitalize()} must be called with an RNG as the {position} argument, the required "
            f"signature is: `{call}`. The object was of type {type(rng)}: {rng}"
        ) from e


def _mapping(name: str, value: Any) -> Any:
    """`value`, a dict of dicts; None stands for an empty one.

    Args:
      name: of the argument, for the error.
      value: the argument.
    """
    if value is None:
        return {}
    if isinstance(value, Mapping) or type(value).__name__ == "_DictWrapper":
        return value
    raise TypeError(
        f"{name} argument does not appear valid. It should be a mapping but is of type {type(value)}. For reference the "
        "parameters for apply are `apply(params, rng, ...)`` for `hk.transform` and `apply(params, state, rng, ...)` for "
        f"`hk.transform_with_state`.\nThe argument was: {value!r}."
    )


def _check_function(f: Any) -> None:
    if any(word in str(type(f)) for word in ("PmapFunction", "PjitFunction")):
        raise ValueError(
            "A common error with Haiku is to pass an already jit (or pmap) decorated function into hk.transform (e.g. "
            "`hk.transform(jax.jit(f)))`. You should instead jit/pmap the init or apply function you get back from Haiku "
            "(e.g. `jax.jit(hk.transform(f).apply)`): those are pure, f is not, and jit expects a pure function."
        )


@half("init_fn", lambda model: signatures.of_init(inspect.signature(model.function)))
def _init(model: HaikuModel, rng: Any, *args: Any, **kwargs: Any) -> Any:
    return model.init(_keys(rng, "init(rng, *a, **k)", "first"), args, kwargs)


@half("apply_fn", lambda model: signatures.of_apply(inspect.signature(model.function)))
def _apply(model: HaikuModel, params: Any, state: Any, rng: Any, *args: Any, **kwargs: Any) -> Any:
    call, position = (
        ("apply(params, state, rng, *a, **k)", "third")
        if state is not None
        else ("apply(params, rng, *a, **k)", "second")
    )
    params, state = _mapping("params", params), _mapping("state", state)
    return model.apply(params, state, _keys(rng, call, position), args, kwargs)


@takes_ties
def transform_with_state(f: Any) -> TransformedWithState:
    """A function that uses modules, parameters and state, as a pair of pure functions.

    Args:
      f: any function; builds and calls modules.

    Returns:
      `init(rng, *args) -> (params, state)`, `apply(params, state, rng, *args) -> (out, state)`. `rng` is None, an
      integer seed, a key, or a sequence's state.

    Raises:
      ValueError: `f` is jitted already.

    >>> import tenure.haiku as hk, jax.numpy as jnp
    >>> def counter():
    ...     count = hk.get_state("count", [], jnp.int32, init=jnp.zeros)
    ...     hk.set_state("count", count + 1)
    ...     return count
    >>> f = hk.transform_with_state(counter)
    >>> params, state = f.init(None)
    >>> f.apply(params, state, None)[1]
    {'~': {'count': Array(1, dtype=int32)}}
    """
    _check_function(f.function)
    model = HaikuModel(*f)
    return TransformedWithState(Half(_init, model), Half(_apply, model))


@takes_ties
def transform(f: Any, *, apply_rng: bool = True) -> Transformed:
    """A function that uses modules and parameters, as a pair of pure functions.

    Args:
      f: any function; builds and calls modules.
      apply_rng: must be True: `apply` always takes keys. See `without_apply_rng`.

    Returns:
      `init(rng, *args) -> params`, `apply(params, rng, *args) -> out`. `rng` is None, an integer seed, a key, or a
      sequence's state.

    Raises:
      ValueError: `f` is jitted already, or `apply_rng` is False.
      NonEmptyStateError: from `init` or `apply`, if `f` uses state.

    >>> import tenure.haiku as hk, jax.numpy as jnp
    >>> f = hk.transform(lambda x: hk.Linear(3)(x))
    >>> params = f.init(42, jnp.ones((2, 4)))
    >>> f.apply(params, None, jnp.ones((2, 4))).shape
    (2, 3)
    """
    if not apply_rng:
        raise ValueError(
            "The apply_rng argument has been removed and hk.transform now *always* applies an rng.\n"
            "Replace hk.transform(..., apply_rng=False) with hk.without_apply_rng(hk.transform(...)).\n"
            "Replace hk.transform(..., apply_rng=True) with hk.transform(...)."
        )
    return without_state(transform_with_state(f.function, ties=f.ties, stages=f.stages))


def get_original_fn(f: Any) -> Callable[..., Any]:
    """The user's function that `f`, or its `init` or `apply`, was made of."""
    init: Any = f.init if isinstance(f, (Transformed, TransformedWithState)) else f
    return init._original_fn


def _check_no_state(state: Any) -> None:
    if state:
        module, bundle = next(iter(state.items()))
        raise NonEmptyStateError(_USE_STATE, ways=[f"the state is '{module}/{next(iter(bundle), '')}', among others"])


@half("init_fn", lambda f: signatures.without_state(inspect.signature(f.init)))
def init_without_state(f: TransformedWithState, *args: Any, **kwargs: Any) -> Any:
    """Initial parameters; see `without_state`."""
    params, state = f.init(*args, **kwargs)
    _check_no_state(state)
    return params


@half("apply_fn", lambda f: signatures.without_state(signatures.replace_leading(f.apply, 2, [signatures.PARAMS])))
def apply_without_state(f: TransformedWithState, params: Any, *args: Any, **kwargs: Any) -> Any:
    """The result of the function; see `without_state`."""
    if "state" in kwargs:
        raise TypeError(_ADDED.format(name="state"))
    out, state = f.apply(params, None, *args, **kwargs)
    _check_no_state(state)
    return out


def without_state(f: TransformedWithState) -> Transformed:
    """The same functions without state.

    Raises:
      NonEmptyStateError: from `init` or `apply`, if there is some.

    >>> import jax.numpy as jnp, tenure.haiku as hk
    >>> f = hk.without_state(hk.transform_with_state(lambda: hk.get_parameter("w", [], init=jnp.zeros)))
    >>> f.init(None)
    {'~': {'w': Array(0., dtype=float32)}}
    """
    return Transformed(Half(init_without_state, f), Half(apply_without_state, f))


_PARAM_STATE = [
    inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=signatures.Params)
    for name in ("param", "state")
]


@half("init_fn", lambda f: signatures.with_state(inspect.signature(f.init)))
def _init_with_empty_state(f: Transformed, *args: Any, **kwargs: Any) -> Any:
    return f.init(*args, **kwargs), {}


@half("apply_fn", lambda f: signatures.with_state(signatures.replace_leading(f.apply, 1, _PARAM_STATE)))
def _apply_with_empty_state(f: Transformed, params: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
    del state
    return f.apply(params, *args, **kwargs), {}


def with_empty_state(f: Transformed) -> TransformedWithState:
    """The same functions with a state that is always empty.

    >>> import tenure.haiku as hk
    >>> f = hk.with_empty_state(hk.transform(lambda: 1))
    >>> f.init(None), f.apply({}, {}, None)
    (({}, {}), (1, {}))
    """
    return TransformedWithState(Half(_init_with_empty_state, f), Half(_apply_with_empty_state, f))


def check_no_rng(kwargs: Mapping[str, Any]) -> None:
    """Raises if `rng` is given to an `apply` that takes none."""
    if "rng" in kwargs:
        raise TypeError(_ADDED.format(name="rng"))


def running_init() -> bool:
    """Whether `init` is running, and not `apply`.

    Raises:
      OutsideTransformError: neither is.

    >>> import tenure.haiku as hk
    >>> f = hk.transform(lambda: print(hk.running_init()))
    >>> f.apply(f.init(None), None)
    True
    False
    """
    if maybe_frame() is None:
        raise outside("running_init")
    return current_frame("running_init").mode is not Mode.APPLY
