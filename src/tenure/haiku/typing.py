"""The shapes of what transformed functions take and return."""

from __future__ import annotations

import abc
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol, runtime_checkable

import jax

from tenure.initializers import Initializer

Params = Mapping[str, Mapping[str, jax.Array]]
State = Mapping[str, Mapping[str, jax.Array]]
MutableParams = MutableMapping[str, MutableMapping[str, jax.Array]]
MutableState = MutableMapping[str, MutableMapping[str, jax.Array]]


@runtime_checkable
class ModuleProtocol(Protocol):
    """What every module has."""

    name: str
    module_name: str

    @abc.abstractmethod
    def params_dict(self) -> Mapping[str, jax.Array]: ...

    @abc.abstractmethod
    def state_dict(self) -> Mapping[str, jax.Array]: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Protocol not in cls.__bases__:  # a protocol is for annotations
            bases = ", ".join(base.__name__ for base in cls.__bases__)
            raise TypeError(
                f"{cls.__name__} is a Protocol, which means that it should not be subclassed by a concrete class. For a "
                f"new protocol, say so: `class {cls.__name__}({bases}, Protocol)`"
            )


@runtime_checkable
class SupportsCall(ModuleProtocol, Protocol):
    """A module that can be called.

    >>> import tenure.haiku as hk
    >>> hk.transform(lambda: isinstance(hk.Linear(1), hk.SupportsCall)).apply({}, None)
    True
    """

    @abc.abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


__all__ = ["Initializer", "MutableParams", "MutableState", "Params", "State"]
