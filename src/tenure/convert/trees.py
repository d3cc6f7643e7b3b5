"""Nested containers and flat names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_DEPTH, _MOST = 100, 200_000


def flattened(tree: Any, separator: str = "/") -> dict[str, Any]:
    """The leaves of nested dicts, lists and tuples by their names.

    Raises:
      ValueError: containers are in each other without end, or names come twice.

    >>> flattened({"a": {"w": 1, "b": [2, 3]}})
    {'a/w': 1, 'a/b/0': 2, 'a/b/1': 3}
    """
    found: dict[str, Any] = {}
    for path, leaf in _leaves(tree, ()):
        name = separator.join(path)
        if name in found:
            raise ValueError(f"two values have the name {name[:200]!r}")
        found[name] = leaf
        if len(found) > _MOST:
            raise ValueError(f"there are more than {_MOST:,} values")
    return found


def _leaves(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(tree, Mapping):
        items: Any = tree.items()
    elif isinstance(tree, (list, tuple)):
        items = enumerate(tree)
    else:
        yield path, tree
        return
    if len(path) > _DEPTH:
        raise ValueError(f"containers are nested more than {_DEPTH} deep")
    for key, value in items:
        yield from _leaves(value, (*path, str(key)))


def nested(values: Mapping[str, Any], separator: str = "/") -> dict[str, Any]:
    """Nested dicts of what has names with separators.

    >>> nested({"a/w": 1, "a/b/0": 2})
    {'a': {'w': 1, 'b': {'0': 2}}}
    """
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *scopes, last = name.split(separator)
        place = tree
        for scope in scopes:
            place = place.setdefault(scope, {})
        place[last] = value
    return tree


__all__ = ["flattened", "nested"]
