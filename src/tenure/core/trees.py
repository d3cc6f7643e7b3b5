"""Two-level dicts `{module: {name: array}}`, and trees of an optimizer that look like them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import numpy as np

from tenure.core.errors import TreeError, UnknownSlotError, brief, nearest
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


def replaced(tree: Params, added: Mapping[str, Any], gone: Collection[str]) -> Tree:
    """The tree without some leaves, and with others."""
    return nest({**{path: value for path, value in flat(tree, "params").items() if path not in gone}, **added})


def nest(flat: Mapping[str, Any]) -> Tree:
    """Paths → arrays as a tree."""
    nested: Tree = {}
    for path, value in flat.items():
        put(nested, path, value)
    return nested


def flat(tree: Any, what: str) -> dict[str, Any]:
    """A tree as paths → leaves; None is an empty one.

    Raises:
      TreeError: it is none; `what` says which of the arguments it is.
    """
    tree = tree or {}
    check_tree(tree, what)
    return {paths.join(module, name): value for module, entries in tree.items() for name, value in entries.items()}


def in_trees(state: Any, params: Mapping[str, Any], change: Callable[[Mapping[str, Any]], Tree]) -> Any:
    """Applies `change` to every tree inside of `state` that has the structure of `params`."""
    shape = {m: set(e) for m, e in params.items()}

    def like_params(node: Any) -> bool:
        return isinstance(node, Mapping) and {m: set(e) for m, e in node.items() if isinstance(e, Mapping)} == shape

    return jax.tree.map(lambda node: change(node) if like_params(node) else node, state, is_leaf=like_params)


def partition(params: Params, mask: Mapping[str, Mapping[str, bool]]) -> tuple[Tree, Tree]:
    """The leaves where the mask is True, and the others: to differentiate with respect to the first only.

    Args:
      params: {module: {name: array}}.
      mask: True or False for each of its leaves, say from `ledger.mask`.

    Raises:
      TreeError: the mask lacks a leaf, has one more, or says neither True nor False.

    >>> chosen, rest = partition({"a": {"w": 1, "b": 2}}, {"a": {"w": True, "b": False}})
    >>> chosen, rest, combine(chosen, rest) == {"a": {"w": 1, "b": 2}}
    ({'a': {'w': 1}}, {'a': {'b': 2}}, True)
    """
    have, want = set(flat(params, "params")), set(flat(mask, "mask"))
    by_ledger = "make it by the ledger:  model.plan(…).ledger.mask('**/w')"
    for path in sorted(have ^ want):
        raise TreeError(
            f"the mask has no entry for '{path}'" if path in have else f"the mask has '{path}', and the params do not",
            near=nearest(path, have),
            ways=[by_ledger, "one True or False for each leaf of params"],
        )
    sides: tuple[Tree, Tree] = {}, {}
    for module, entries in params.items():
        for name, value in entries.items():
            chosen = mask[module][name]
            if not isinstance(chosen, (bool, np.bool_)):
                rule = f"the mask has {brief(chosen)} for '{module}/{name}', not True or False"
                raise TreeError(rule, ways=[by_ledger])
            sides[0 if chosen else 1].setdefault(module, {})[name] = value
    return sides


def check_tree(tree: Any, what: str) -> None:
    """Raises `TreeError` unless `tree` is a dict {module: {name: …}}; `what` says which of the arguments it is."""
    if not isinstance(tree, Mapping):
        shown = brief(tree, 60)
    elif wrong := [module for module, entries in tree.items() if not isinstance(entries, Mapping)]:
        shown = f"a dict whose entry {brief(wrong[0], 40)} is {brief(tree[wrong[0]], 40)}"
    else:
        return
    raise TreeError(
        f"{what} must be {{module: {{name: value}}}}, not {shown}", ways=["hand over what model.init returned, whole"]
    )


def combine(*trees: Params) -> Tree:
    """The way back from `partition`.

    Raises:
      TreeError: a tree is none, or two of them have one leaf.

    >>> import tenure as tn
    >>> tn.combine({"a": {"w": 1}}, {"a": {"b": 2}})
    {'a': {'w': 1, 'b': 2}}
    """
    new: Tree = {}
    for tree in trees:
        check_tree(tree, "params")
        for module, entries in tree.items():
            twice = [name for name in entries if name in new.get(module, ())]
            if twice:
                raise TreeError(
                    f"the leaf '{paths.join(module, twice[0])}' is in two of the trees",
                    ways=["combine the two sides of one tn.partition", "{**a, **b}, to let the second one win"],
                )
            new.setdefault(module, {}).update(entries)
    return new
