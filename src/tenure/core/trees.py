"""Two-level dicts `{module: {name: array}}`, and trees of an optimizer that look like them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

from tenure.core.errors import UnknownSlotError
from tenure.core.notation import paths

Tree = dict[str, dict[str, Any]]
Params = Mapping[str, Mapping[str, Any]]


def leaf(tree: Mapping[str, Any], path: str) -> Any:
    """The leaf at a slot's path.

    Raises:
      UnknownSlotError: there is none.
    """
    module, name = paths.split(path)
    try:
        return tree[module][name]
    except KeyError:
        raise UnknownSlotError(
            f"the params have no leaf '{path}'", ways=["use the params that go with this plan"]
        ) from None


def put(tree: Tree, path: str, value: Any) -> None:
    """Sets the leaf at a slot's path."""
    module, name = paths.split(path)
    tree.setdefault(module, {})[name] = value


def copied(tree: Mapping[str, Any] | None) -> Tree:
    """The same leaves in dicts of its own."""
    return {module: dict(entries) for module, entries in (tree or {}).items()}


def nest(flat: Mapping[str, Any]) -> Tree:
    """Paths → arrays as a tree."""
    nested: Tree = {}
    for path, value in flat.items():
        put(nested, path, value)
    return nested


def in_trees(state: Any, params: Mapping[str, Any], change: Callable[[Mapping[str, Any]], Tree]) -> Any:
    """Applies `change` to every tree inside of `state` that has the structure of `params`."""
    shape = {m: set(e) for m, e in params.items()}

    def like_params(node: Any) -> bool:
        return isinstance(node, Mapping) and {m: set(e) for m, e in node.items() if isinstance(e, Mapping)} == shape

    return jax.tree.map(lambda node: change(node) if like_params(node) else node, state, is_leaf=like_params)


def partition(params: Params, mask: Mapping[str, Mapping[str, bool]]) -> tuple[Tree, Tree]:
    """The leaves where the mask is True, and the others: to differentiate with respect to the first only.

    >>> chosen, rest = partition({"a": {"w": 1, "b": 2}}, {"a": {"w": True, "b": False}})
    >>> chosen, rest, combine(chosen, rest) == {"a": {"w": 1, "b": 2}}
    ({'a': {'w': 1}}, {'a': {'b': 2}}, True)
    """
    sides: tuple[Tree, Tree] = {}, {}
    for module, entries in params.items():
        for name, value in entries.items():
            sides[0 if mask[module][name] else 1].setdefault(module, {})[name] = value
    return sides


def combine(*trees: Params) -> Tree:
    """The way back from `partition`."""
    new: Tree = {}
    for tree in trees:
        for module, entries in tree.items():
            new.setdefault(module, {}).update(entries)
    return new
