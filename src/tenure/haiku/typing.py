"""The shapes of what transformed functions take and return."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol, runtime_checkable

import jax

from tenure.core.module import ModuleMeta
from tenure.initializers import Initializer

Params = Mapping[str, Mapping[str, jax.Array]]
State = Mapping[str, Mapping[str, jax.Array]]
MutableParams = MutableMapping[str, MutableMapping[str, jax.Array]]
MutableState = MutableMapping[str, MutableMapping[str, jax.Array]]


class _ProtocolMeta(type(Protocol)):  # type: ignore[misc]
    """Protocols are for annotations: a concrete module that inherits from one is a mistake."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> Any:
        if not namespace.get("_is_protocol", True):
            raise TypeError(f"{name} is a protocol for annotations, which no class should inherit from")
        return super().__new__(mcs, name, bases, namespace, **kwargs)


@runtime_checkable
class SupportsCall(Protocol, metaclass=_ProtocolMeta):
    """Something that can be called, such as `jax.nn.relu` or a module."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


@runtime_checkable
class ModuleProtocol(Protocol, metaclass=_ProtocolMeta):
    """What every module has."""

    name: str
    module_name: str

    def params_dict(self) -> Mapping[str, jax.Array]: ...

    def state_dict(self) -> Mapping[str, jax.Array]: ...


__all__ = ["Initializer", "ModuleMeta", "MutableParams", "MutableState", "Params", "State"]
