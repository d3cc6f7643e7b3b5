"""A module that is built when it is first called."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from tenure.core.run.frame import Scope, current_frame

T = TypeVar("T")


class Deferred(Generic[T]):
    """Stands for a module that is built when it is first called, and named as if it were built here.

    >>> import jax, jax.numpy as jnp, tenure.haiku as hk
    >>> f = hk.transform(lambda x: hk.Deferred(lambda: hk.Linear(2))(x))
    >>> list(f.init(jax.random.PRNGKey(0), jnp.ones((1, 3))))
    ['linear']
    """

    def __init__(self, factory: Callable[[], T], call_methods: Sequence[str] = ("__call__",)):
        """Remembers how, and where.

        Args:
          factory: builds the module.
          call_methods: the methods that build it.
        """
        self._factory: Any = factory
        self._target: Any = None
        self._scope = current_frame("Deferred").scope
        for name in {*call_methods} - {"__call__"}:
            setattr(self, name, functools.partial(self._call, name))

    @property
    def target(self) -> T:
        """The module, which is built if it is not there yet."""
        if self._target is None:
            with _within(self._scope):
                target = self._factory()
            self._factory, self._target = None, target
        return self._target

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.target, method)(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.target(*args, **kwargs)  # type: ignore[operator]

    def __str__(self) -> str:
        return f"Deferred({self.target})"

    def __repr__(self) -> str:
        return f"Deferred({self.target!r})"

    def __getattr__(self, name: str) -> Any:
        target = self.__dict__.get("_target")
        if name != "_target" and target is not None:
            return getattr(target, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        target = self.__dict__.get("_target")
        if name == "_target" or target is None:
            super().__setattr__(name, value)
        else:
            setattr(target, name, value)

    def __delattr__(self, name: str) -> None:
        target = self.__dict__.get("_target")
        if name == "_target" or target is None:
            super().__delattr__(name)
        else:
            delattr(target, name)


@contextlib.contextmanager
def _within(scope: Scope):
    """Within, what is built has the scope's module as its parent; its names are counted where the caller is."""
    frame = current_frame("Deferred")
    if scope.module is None:
        yield
        return
    here = Scope(scope.path, scope.method, scope.module, scope.origin)
    here.counters, here.used = frame.scope.counters, frame.scope.used
    with frame.within(here):
        yield
