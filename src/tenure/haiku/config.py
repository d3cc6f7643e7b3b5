"""Settings, one set for each thread. A thread starts with those that the main thread has at that moment."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


@dataclasses.dataclass
class Config:
    """All settings.

    Attributes:
      check_jax_usage: whether a raw `jax.vmap` and the like around code with side effects is an error.
      module_auto_repr: whether modules show their constructor's arguments.
      restore_flatmap: whether pickles of immutable dicts come back as such.
      rng_reserve_size: how many keys are split off at once.
    """

    check_jax_usage: bool = False
    module_auto_repr: bool = True
    restore_flatmap: bool = False
    rng_reserve_size: int = 1

    @classmethod
    def default(cls) -> Config:
        """The settings of a program that sets none."""
        return cls()


main_thread_config = Config.default()


class _ThreadLocal(threading.local):
    def __init__(self) -> None:
        self.config = dataclasses.replace(main_thread_config)


tls = _ThreadLocal()
tls.config = main_thread_config


def get_config() -> Config:
    """The settings of this thread."""
    return tls.config


def _change(changes: dict[str, Any]) -> dict[str, Any]:
    """Makes the changes that are not None; returns what the settings were."""
    config = get_config()
    changes = {name: value for name, value in changes.items() if value is not None}
    before = {name: getattr(config, name) for name in changes}
    for name, value in changes.items():
        setattr(config, name, value)
    return before


@contextlib.contextmanager
def _changed(changes: dict[str, Any]) -> Iterator[None]:
    before = _change(changes)
    try:
        yield
    finally:
        _change(before)


def context(
    *,
    check_jax_usage: bool | None = None,
    module_auto_repr: bool | None = None,
    restore_flatmap: bool | None = None,
    rng_reserve_size: int | None = None,
) -> contextlib.AbstractContextManager[None]:
    """Within, the settings are as given; those that are None stay.

    >>> with context(rng_reserve_size=4):
    ...     get_config().rng_reserve_size
    4
    """
    return _changed(dict(locals()))


def set(
    *,
    check_jax_usage: bool | None = None,
    module_auto_repr: bool | None = None,
    restore_flatmap: bool | None = None,
    rng_reserve_size: int | None = None,
) -> None:
    """Changes settings of this thread; those that are None stay."""
    _change(dict(locals()))


def with_config(**changes: Any) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Decorator: the settings are as given while the function runs."""

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> T:
            with _changed(changes):
                return function(*args, **kwargs)

        return wrapped

    return decorate


def module_auto_repr(enabled: bool) -> bool:
    """Whether modules show their constructor's arguments. Returns what it was before."""
    return _change({"module_auto_repr": enabled})["module_auto_repr"]


def check_jax_usage(enabled: bool = True) -> bool:
    """Whether side effects inside of a raw JAX transformation are an error. Returns what it was before."""
    return _change({"check_jax_usage": enabled})["check_jax_usage"]


def rng_reserve_size(size: int) -> int:
    """How many keys are split off at once. Returns what it was before.

    Raises:
      ValueError: `size` is not positive.
    """
    if size <= 0:
        raise ValueError(f"RNG reserve size needs to be more than 0, got {size}.")
    return _change({"rng_reserve_size": size})["rng_reserve_size"]


__all__ = ["context", "set"]
