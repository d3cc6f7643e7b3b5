"""Functions on the two-level dicts that hold parameters and state; predicates get `(module_name, name, value)`."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

import jax

from tenure.haiku.flat_map import FlatMap, FlatMapping, to_haiku_dict, to_immutable_dict
from tenure.haiku.formats import format_array
from tenure.haiku.stacks import Stack, ThreadLocalStack

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
U = TypeVar("U")
Structure = Mapping[str, Mapping[str, T]]


def traverse(structure: Mapping[str, Mapping[str, T]]) -> Iterator[tuple[str, str, T]]:
    """The entries as `(module_name, name, value)`, sorted by names.

    >>> list(traverse({"b": {"w": 1}, "a": {"w": 2, "b": 3}}))
    [('a', 'b', 3), ('a', 'w', 2), ('b', 'w', 1)]
    """
    for module_name in sorted(structure):
        bundle = structure[module_name]
        for name in sorted(bundle):
            yield module_name, name, bundle[name]


def partition_n(fn: Callable[[str, str, T], int], structure: Structure[T], n: int) -> tuple[Structure[T], ...]:
    """`n` structures; `fn` says in which of them an entry goes.

    >>> partition_n(lambda m, n, v: v % 2, {"a": {"w": 1, "b": 2}}, 2)
    ({'a': {'b': 2}}, {'a': {'w': 1}})
    """
    parts: list[dict[str, dict[str, T]]] = [{} for _ in range(n)]
    for module_name, name, value in traverse(structure):
        i = fn(module_name, name, value)
        if not 0 <= i < n:
            raise AssertionError(f"{i} must be in range [0, {n})")
        parts[i].setdefault(module_name, {})[name] = value
    return tuple(to_haiku_dict(part) for part in parts)


def partition(
    predicate: Callable[[str, str, jax.Array], bool], structure: Structure[Any]
) -> tuple[Structure[Any], Structure[Any]]:
    """The entries for which `predicate` holds, and the others.

    >>> partition(lambda module_name, name, value: name == "w", {"a": {"w": 1, "b": 2}})
    ({'a': {'w': 1}}, {'a': {'b': 2}})
    """
    kept, other = partition_n(lambda m, n, v: int(not predicate(m, n, v)), structure, 2)
    return kept, other


def filter(predicate: Callable[[str, str, T], bool], structure: Structure[T]) -> Structure[T]:
    """The entries for which `predicate` holds.

    >>> filter(lambda module_name, name, value: name == "w", {"a": {"w": 1, "b": 2}})
    {'a': {'w': 1}}
    """
    return partition_n(lambda m, n, v: int(not predicate(m, n, v)), structure, 2)[0]


def map(fn: Callable[[str, str, T], U], structure: Structure[T]) -> Structure[U]:
    """The same structure with other values.

    >>> map(lambda module_name, name, value: f"{module_name}/{name}", {"a": {"w": 1}})
    {'a': {'w': 'a/w'}}
    """
    made: dict[str, dict[str, U]] = {}
    for module_name, name, value in traverse(structure):
        made.setdefault(module_name, {})[name] = fn(module_name, name, value)
    return to_haiku_dict(made)


def _shaped(value: Any) -> Any:
    return (value.shape, value.dtype) if hasattr(value, "shape") and hasattr(value, "dtype") else None


def _spec(value: Any) -> str:
    return repr(value) if _shaped(value) is None else format_array(value)


def merge(*structures: Structure[Any], check_duplicates: bool = False) -> MutableMapping[str, MutableMapping[str, Any]]:
    """All entries in one structure; where several have one, the last counts.

    Args:
      *structures: two-level dicts.
      check_duplicates: whether entries of one name must agree in shape and dtype.

    Raises:
      ValueError: they do not.

    >>> merge({"a": {"w": 1}}, {"a": {"b": 2}}, {"a": {"w": 3}})
    {'a': {'w': 3, 'b': 2}}
    """
    made: dict[str, dict[str, Any]] = {}
    for structure in structures:
        for module_name, name, value in traverse(structure):
            bundle = made.setdefault(module_name, {})
            if check_duplicates and name in bundle and _shaped(bundle[name]) != _shaped(value):
                raise ValueError(
                    f"Duplicate array found with different shape/dtype for {module_name}.{name}: "
                    f"{_spec(bundle[name])} vs {_spec(value)}."
                )
            bundle[name] = value
    return to_haiku_dict(made)


def is_subset(*, subset: Structure[Any], superset: Structure[Any]) -> bool:
    """Whether all names of `subset` are in `superset` too.

    >>> is_subset(subset={"a": {"w": 1}}, superset={"a": {"w": 2, "b": 3}})
    True
    """
    inner, outer = ({entry[:2] for entry in traverse(s)} for s in (subset, superset))
    return inner <= outer


def tree_size(tree: Any) -> int:
    """The number of elements of all arrays.

    >>> tree_size({"w": jax.numpy.ones((2, 3)), "b": jax.numpy.ones(3)})
    9
    """
    return sum(x.size for x in jax.tree.leaves(tree))


def tree_bytes(tree: Any) -> int:
    """The number of bytes of all arrays.

    >>> tree_bytes({"w": jax.numpy.ones((2, 3))})
    24
    """
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def to_mutable_dict(mapping: Any) -> Any:
    """A copy made of plain dicts, of what `to_immutable_dict` made.

    >>> to_mutable_dict(to_immutable_dict({"a": {"w": 1}}))
    {'a': {'w': 1}}
    """
    return {k: to_mutable_dict(v) if type(v) is FlatMap else v for k, v in mapping.items()}


__all__ = [
    "filter",
    "is_subset",
    "map",
    "merge",
    "partition",
    "partition_n",
    "to_haiku_dict",
    "to_immutable_dict",
    "to_mutable_dict",
    "traverse",
    "tree_bytes",
    "tree_size",
]
_also_public = builtins.tuple([FlatMap, FlatMapping, Stack, ThreadLocalStack])
