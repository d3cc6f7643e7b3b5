"""An inner transformed function whose parameters and state live in the outer one's."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from tenure.core.errors import NonEmptyStateError
from tenure.core.run.module import Module
from tenure.haiku.engine.frames import HaikuFrame, closed_to_outside, inside_transform, the_frame
from tenure.haiku.engine.profile import note_param, note_state

Params = Mapping[str, Mapping[str, Any]]
Both = tuple[Params, Params]


class LiftingModule(Module):
    """Where an inner function's parameters and state are in the outer one's.

    Attributes:
      prefix_name: the path before the names of the inner function; "" for none.
    """

    def __init__(
        self, init_fn: Callable[..., Both], transparent: bool = False, allow_reuse: bool = False, name: str = "lifted"
    ):
        super().__init__(name=name)
        self._init_fn, self._allow_reuse = init_fn, allow_reuse
        self.prefix_name = self.module_name.rpartition("/")[0] if transparent else self.module_name

    def __call__(self, *args: Any, **kwargs: Any) -> Both:
        frame = the_frame("lift")
        if not frame.creating:
            return _cut(frame.stored(), self.prefix_name), _cut(frame.bundles("state"), self.prefix_name)
        inner = self._init_fn(*args, **kwargs)
        self._store(frame, *inner)
        return inner

    def _store(self, frame: HaikuFrame, params: Params, state: Params) -> None:
        tables: Any = ((params, "params", note_param), (state, "state", note_state))
        for inner, kind, note in tables:
            outer = frame.bundles(kind)
            for module, bundle in inner.items():
                place = f"{self.prefix_name}/{module}" if self.prefix_name else module
                if place in outer and not self._allow_reuse:
                    raise ValueError(
                        f"Key '{place}' already exists in the destination params. To prevent accidental parameter re-use "
                        "during lift, you can't re-use a parameter already defined in the outer scope."
                    )
                for name, value in bundle.items():
                    frame.write((kind, path := f"{place}/{name}"), value)
                    note(frame, path, value)


def _cut(outer: Params, prefix: str) -> dict[str, dict[str, Any]]:
    """The entries below a prefix, without it."""
    start = f"{prefix}/" if prefix else ""
    return {m[len(start) :]: dict(bundle) for m, bundle in outer.items() if m.startswith(start)}


def _with_empty_state(init_fn: Callable[..., Params]) -> Callable[..., Both]:
    def init(*args: Any, **kwargs: Any) -> Both:
        params = init_fn(*args, **kwargs)
        if not isinstance(params, Mapping):
            raise NonEmptyStateError("For stateful lifted functions use `hk.lift_with_state`")
        return params, {}

    return init


def lift(init_fn: Callable[..., Params], *, allow_reuse: bool = False, name: str = "lifted") -> Callable[..., Params]:
    """Makes the parameters of an inner transformed function part of the outer one's.

    Args:
      init_fn: the inner function's `init`.
      allow_reuse: whether names that are there already may be stored again.
      name: of the scope around the inner names.

    Returns:
      A function with `init_fn`'s arguments, which returns the inner parameters: at init it makes and stores them, at
      apply it finds them.

    Raises:
      NonEmptyStateError: the inner function has state.

    >>> import jax, jax.numpy as jnp, tenure.haiku as hk
    >>> def ensemble(x):  # three members, each with parameters of its own
    ...     inner = hk.transform(lambda x: hk.Linear(2)(x))
    ...     keys = jax.random.split(hk.next_rng_key(), 3) if hk.running_init() else None
    ...     params = hk.lift(jax.vmap(inner.init, in_axes=(0, None)), name="members")(keys, x)
    ...     return jax.vmap(inner.apply, in_axes=(0, None, None))(params, None, x)
    >>> params = hk.transform(ensemble).init(jax.random.PRNGKey(0), jnp.ones(4))
    >>> params["members/linear"]["w"].shape
    (3, 4, 2)
    """
    the_frame("lift")
    both, updater = lift_with_state(_with_empty_state(init_fn), allow_reuse=allow_reuse, name=name)
    updater.ignore_update()
    return lambda *args, **kwargs: both(*args, **kwargs)[0]


def transparent_lift(init_fn: Callable[..., Params], *, allow_reuse: bool = False) -> Callable[..., Params]:
    """As `lift`, with no scope around the inner names.

    Args:
      init_fn: the inner function's `init`.
      allow_reuse: whether names that are there already may be stored again.

    Raises:
      ValueError: the inner function uses a module that was built outside of it.
    """
    the_frame("transparent_lift")
    lifted = LiftingModule(_with_empty_state(init_fn), transparent=True, allow_reuse=allow_reuse)

    def both(*args: Any, **kwargs: Any) -> Params:
        with closed_to_outside():
            return lifted(*args, **kwargs)[0]

    return both


def _once(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of an updater, which may be used once, in the call that made the updater."""

    @functools.wraps(method)
    def checked(self: LiftWithStateUpdater, *args: Any, **kwargs: Any) -> Any:
        if self._used:
            raise ValueError("State updater must only be used once.")
        if not inside_transform():
            raise ValueError("State updater must be used inside hk.transform_with_state.")
        if the_frame("lift_with_state") is not self._frame():
            raise ValueError("State updater must be used within the same call to init/apply.")
        self._used = True
        return method(self, *args, **kwargs)

    return checked


class LiftWithStateUpdater:
    """Takes the inner function's new state; it must be told, or be told that there is nothing to tell."""

    __slots__ = ("__weakref__", "_frame", "_name", "_used")

    def __init__(self, name: str | None):
        self._used, self._name = False, name
        frame = the_frame("lift_with_state")
        self._frame = weakref.ref(frame)
        frame.teardown.append(self.assert_used)

    def assert_used(self) -> None:
        """Raises `ValueError` if nobody told."""
        if not self._used:
            raise ValueError(
                "LiftWithStateUpdater (from `lift_with_state`) must be used, call `.update(..)` or `.ignore_update()` "
                "before it goes out of scope."
            )

    @_once
    def ignore_update(self) -> None:
        """The state stays as it is."""

    @_once
    def update(self, state: Params) -> None:
        """The inner function's new state."""
        frame = the_frame("lift_with_state")
        for module, bundle in state.items():
            path = module if self._name is None else f"{self._name}/{module}"
            for name, value in bundle.items():
                frame.write(("state", f"{path}/{name}"), value)


def lift_with_state(
    init_fn: Callable[..., Both], *, allow_reuse: bool = False, name: str = "lifted"
) -> tuple[Callable[..., Both], LiftWithStateUpdater]:
    """As `lift`, for an inner function with state.

    As in Haiku, the updater stores the new state under `name` as it is given, although a second scope of that name is
    `name_1`: give two lifts in one function two names.

    Args:
      init_fn: the inner function's `init`, which returns parameters and state.
      allow_reuse: whether names that are there already may be stored again.
      name: of the scope around the inner names.

    Returns:
      A function that returns the inner parameters and state; and an updater, for the inner function's new state.
    """
    frame = the_frame("lift_with_state")
    module = LiftingModule(init_fn, allow_reuse=allow_reuse, name=name)
    if frame.scope.module is not None:
        name = f"{frame.scope.path}/{name}"
    return (lambda *args, **kwargs: module(*args, **kwargs)), LiftWithStateUpdater(name)


def transparent_lift_with_state(
    init_fn: Callable[..., Both], *, allow_reuse: bool = False
) -> tuple[Callable[..., Both], LiftWithStateUpdater]:
    """As `lift_with_state`, with no scope around the inner names.

    Args:
      init_fn: the inner function's `init`, which returns parameters and state.
      allow_reuse: whether names that are there already may be stored again.
    """
    frame = the_frame("lift_with_state")
    module = LiftingModule(init_fn, transparent=True, allow_reuse=allow_reuse)
    name = frame.scope.path if frame.scope.module is not None else None
    return (lambda *args, **kwargs: module(*args, **kwargs)), LiftWithStateUpdater(name)
