"""An immutable dict that JAX flattens without looking at it again."""

from __future__ import annotations

import pprint
import textwrap
from collections.abc import ItemsView, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from typing import Any, NamedTuple, NoReturn, TypeVar

import jax

from tenure.haiku import config

K = TypeVar("K")
V = TypeVar("V")


class FlatComponents(NamedTuple):
    """A flattened tree."""

    leaves: Any
    structure: Any


class KeysOnlyKeysView(KeysView):
    """Keys that print as keys, without the values."""

    def __init__(self, mapping: Mapping[Any, Any]):
        super().__init__(mapping)
        self._shown = mapping

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._shown)!r})"


class FlatMap(Mapping[Any, Any]):
    """An immutable dict with a hash, if its leaves have one.

    >>> FlatMap({"a": 1}) == {"a": 1}
    True
    """

    __slots__ = ("_leaves", "_mapping", "_structure")

    def __init__(self, *args: Any, **kwargs: Any):
        """As `dict`, or from the leaves and the structure of a tree."""
        components = args[0] if len(args) == 1 and not kwargs and type(args[0]) is FlatComponents else None
        mapping: Any = None
        if components is None:
            mapping = dict(*args, **kwargs)
        elif not jax.tree_util.all_leaves(components.leaves):
            mapping = jax.tree.unflatten(components.structure, components.leaves)
        leaves, structure = components if mapping is None and components is not None else jax.tree.flatten(mapping)
        self._leaves, self._structure, self._mapping = tuple(leaves), structure, mapping

    def _dict(self) -> Mapping[Any, Any]:
        if self._mapping is None:
            self._mapping = jax.tree.unflatten(self._structure, self._leaves)
        return self._mapping

    def keys(self) -> KeysView[Any]:
        return KeysOnlyKeysView(self._dict())

    def values(self) -> ValuesView[Any]:
        return self._dict().values()

    def items(self) -> ItemsView[Any, Any]:
        return self._dict().items()

    def __getitem__(self, key: Any) -> Any:
        return self._dict()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._dict())

    def __len__(self) -> int:
        return len(self._dict())

    def __getattr__(self, key: str) -> NoReturn:
        raise AttributeError(f"`x.{key}` is not supported on FlatMapping, use `x['{key}']` instead.")

    def __eq__(self, other: object) -> bool:
        return other is not None and self._dict() == (other._dict() if type(other) is FlatMap else other)

    def __hash__(self) -> int:
        return hash((self._structure, self._leaves))

    def __repr__(self) -> str:
        return show(type(self).__name__, self)

    def __reduce__(self) -> Any:
        return FlatMapping, (self._dict(),)

    __copy__ = None


jax.tree_util.register_pytree_node(
    FlatMap, lambda m: (m._leaves, m._structure), lambda structure, leaves: FlatMap(FlatComponents(leaves, structure))
)


def show(name: str, mapping: Mapping[Any, Any]) -> str:
    """On one line if it fits, otherwise one item a line."""
    line = f"{name}({{{', '.join(f'{k!r}: {v!r}' for k, v in mapping.items())}}})"
    if len(line) <= 80:
        return line
    items = []
    for key, value in mapping.items():
        head = f"{key!r}: "
        items.append(head + textwrap.indent(pprint.pformat(value), " " * len(head)).lstrip())
    return f"{name}({{\n{textwrap.indent(f',{chr(10)}'.join(items), '  ')},\n}})"


def to_dict(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
    """A copy made of plain dicts; other trees inside are copied too, arrays are not."""
    return {k: to_dict(v) if isinstance(v, Mapping) else _copied(v) for k, v in mapping.items()}


def _copied(tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, leaves)


def to_haiku_dict(structure: Mapping[K, V]) -> MutableMapping[K, V]:
    """A copy as `init` returns it.

    >>> to_haiku_dict({"a": {"w": 1}})
    {'a': {'w': 1}}
    """
    return to_dict(structure)


def to_immutable_dict(mapping: Mapping[K, V]) -> Mapping[K, V]:
    """A copy that can not be changed, and that has a hash if its values have.

    >>> to_immutable_dict({"a": {"w": 1}})
    FlatMap({'a': FlatMap({'w': 1})})
    """
    if type(mapping) is FlatMap:
        return mapping
    items: Mapping[Any, Any] = mapping
    return FlatMap({k: to_immutable_dict(v) if type(v) is dict else v for k, v in items.items()})


class _Restored(type(FlatMap)):  # type: ignore[misc]
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, FlatMap)


class FlatMapping(FlatMap, metaclass=_Restored):
    """What pickles name; loading one gives a plain dict, or a `FlatMap` if the setting `restore_flatmap` says so."""

    def __new__(cls, data: Mapping[Any, Any]) -> Any:
        if config.get_config().restore_flatmap:
            return to_immutable_dict(data)
        return to_haiku_dict(data)
