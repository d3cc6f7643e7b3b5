"""Creators, getters, setters and method interceptors: functions around the core's own, outermost first."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn, TypeVar

T = TypeVar("T")


class DoNotStore:
    """What a setter (in the Haiku profile a creator, or an initialiser, as well) returns to keep a value out."""

    @property
    def shape(self) -> NoReturn:
        raise ValueError("DO_NOT_STORE does not have a shape.")

    @property
    def dtype(self) -> NoReturn:
        raise ValueError("DO_NOT_STORE does not have a dtype.")

    def __repr__(self) -> str:
        return "DO_NOT_STORE"


DO_NOT_STORE = DoNotStore()


class GetterContext(NamedTuple):
    """What a creator or a getter is told.

    Attributes:
      full_name: `module/name`.
      module: the module that asks, if any.
      original_dtype, original_shape, original_init: as asked for.
      lifted_prefix_name: where a lifted function's parameters will be, during init of the Haiku profile.
    """

    full_name: str
    module: Any
    original_dtype: Any
    original_shape: Any
    original_init: Any
    lifted_prefix_name: str | None

    @property
    def module_name(self) -> str:
        return self.full_name.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.rpartition("/")[2]


class SetterContext(NamedTuple):
    """What a setter is told.

    Attributes:
      full_name: `module/name`.
      module: the module that sets, if any.
      original_dtype, original_shape: of the value: trees like it.
      lifted_prefix_name: where a lifted function's state will be, during init of the Haiku profile.
    """

    full_name: str
    module: Any
    original_dtype: Any
    original_shape: Any
    lifted_prefix_name: str | None

    @property
    def module_name(self) -> str:
        return self.full_name.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.rpartition("/")[2]


class MethodContext(NamedTuple):
    """What an interceptor is told about the method that it wraps."""

    module: Any
    method_name: str
    orig_method: Callable[..., Any]
    orig_class: type


Chain = tuple[Callable[..., Any], ...]

_chains: dict[str, contextvars.ContextVar[Chain]] = {
    kind: contextvars.ContextVar(f"tenure_{kind}", default=())
    for kind in ("param_creator", "state_creator", "param_getter", "state_getter", "setter", "method")
}


@contextlib.contextmanager
def _installed(hook: Callable[..., Any], *kinds: str) -> Iterator[None]:
    tokens = [(_chains[kind], _chains[kind].set((*_chains[kind].get(), hook))) for kind in kinds]
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)


def custom_creator(creator: Callable[..., Any], *, params: bool = True, state: bool = False):
    """Within, `creator(next_creator, shape, dtype, init, context)` makes each new parameter (or state).

    Args:
      creator: see above; `context` says the path, the module, the shape, the dtype and the initialiser.
      params: whether it makes parameters.
      state: whether it makes states.

    >>> import jax.numpy as jnp, tenure as tn
    >>> def zeros(next_creator, shape, dtype, init, context):
    ...     return next_creator(shape, dtype, jnp.zeros)
    >>> def f():
    ...     with tn.custom_creator(zeros):
    ...         return tn.get_parameter("w", (2,), init=jnp.ones)
    >>> tn.transform(f).init(None)
    {'~': {'w': Array([0., 0.], dtype=float32)}}
    """
    return _installed(creator, *["param_creator"] * params, *["state_creator"] * state)


def custom_getter(getter: Callable[..., Any], *, params: bool = True, state: bool = False):
    """Within, `getter(next_getter, value, context)` answers each read of a parameter (or state).

    Args:
      getter: see above; `context` says the path, the module, the shape, the dtype and the initialiser.
      params: whether it answers reads of parameters.
      state: whether it answers reads of states.

    >>> import jax.numpy as jnp, tenure as tn
    >>> def f():
    ...     with tn.custom_getter(lambda next_getter, value, context: next_getter(2 * value)):
    ...         return tn.get_parameter("w", (2,), init=jnp.ones)
    >>> tn.transform(f).apply({"~": {"w": jnp.ones(2)}}, None)
    Array([2., 2.], dtype=float32)
    """
    return _installed(getter, *["param_getter"] * params, *["state_getter"] * state)


def custom_setter(setter: Callable[..., Any]):
    """Within, `setter(next_setter, value, context)` handles each `set_state`.

    >>> import jax.numpy as jnp, tenure as tn
    >>> def f():
    ...     with tn.custom_setter(lambda next_setter, value, context: next_setter(-value)):
    ...         tn.set_state("n", jnp.ones(()))
    >>> tn.transform_with_state(f).apply({}, {}, None)
    (None, {'~': {'n': Array(-1., dtype=float32)}})
    """
    return _installed(setter, "setter")


def intercept_methods(interceptor: Callable[..., Any]):
    """Within, `interceptor(next_method, args, kwargs, context)` handles each call of a module's method.

    >>> import jax.numpy as jnp, tenure as tn
    >>> def show(next_method, args, kwargs, context):
    ...     print(context.method_name)
    ...     return next_method(*args, **kwargs)
    >>> model = tn.transform(lambda x: tn.nn.Linear(3)(x))
    >>> with tn.intercept_methods(show):
    ...     plan = model.plan(jnp.ones(2))
    __init__
    __call__
    """
    return _installed(interceptor, "method")


class _Outermost(threading.local):
    """The interceptor around all others, of one thread."""

    interceptor: Callable[..., Any] | None = None


_outermost = _Outermost()


def set_outermost(interceptor: Callable[..., Any] | None) -> None:
    """Installs the method interceptor around all others in this thread, until it is replaced; None removes it."""
    _outermost.interceptor = interceptor


def chain(kind: str) -> Chain:
    """The hooks of that kind, outermost first."""
    found = _chains[kind].get()
    if kind == "method" and _outermost.interceptor is not None:
        return (_outermost.interceptor, *found)
    return found


def installed() -> list[Callable[..., Any]]:
    """All hooks, of all kinds."""
    return [hook for kind in _chains for hook in chain(kind)]


def run_creators(creators: Chain, shape: Any, dtype: Any, init: Callable[..., Any], context: GetterContext) -> Any:
    """The new value: the outermost creator's answer, the initialiser's if there is none.

    Args:
      creators: outermost first.
      shape, dtype, init: as asked for; each creator may hand others on to the next.
      context: what creators are told.
    """
    if not creators:
        return init(shape, dtype)
    return creators[0](lambda s, d, i: run_creators(creators[1:], s, d, i, context), shape, dtype, init, context)


def run_getters(getters: Chain, value: T, context: Any) -> T:
    """The value as the outermost getter (or setter) answers."""
    if not getters:
        return value
    return getters[0](lambda value: run_getters(getters[1:], value, context), value, context)


def run_interceptors(interceptors: Chain, args: Any, kwargs: Any, context: MethodContext) -> Any:
    """What the method returns, as the outermost interceptor answers."""
    if not interceptors:
        return context.orig_method(*args, **kwargs)

    return interceptors[0](lambda *a, **k: run_interceptors(interceptors[1:], a, k, context), args, kwargs, context)
