"""Nested containers and flat names."""

from __future__ import annotations

from collections.abc import Mapping
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
    waiting: list[tuple[tuple[str, ...], Any]] = [((), tree)]
    visits = 0
    while waiting:
        path, value = waiting.pop()
        visits += 1
        if visits > _MOST or len(path) > _DEPTH:
            raise ValueError(f"there are more than {_MOST:,} values, or containers nested more than {_DEPTH} deep")
        if isinstance(value, Mapping):
            waiting += [((*path, str(key)), inner) for key, inner in reversed(list(value.items()))]
        elif isinstance(value, (list, tuple)):
            waiting += [((*path, str(i)), inner) for i, inner in reversed(list(enumerate(value)))]
        elif (name := separator.join(path)) in found:
            raise ValueError(f"two values have the name {name[:200]!r}")
        else:
            found[name] = value
    return found


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
