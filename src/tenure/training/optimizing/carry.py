"""Optimizer states in the next network, or under another split of the parameters: kept by the names of their owners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from tenure.checkpoints.leaves import named, refilled

Values = Mapping[str, np.ndarray]  # "module/name" → an array
Move = Callable[[Values, Values], Mapping[str, Any]]


def carried_states(old: Any, new: Any, move: Move | None = None) -> Any:
    """The new state with what the old one knows of the same parameters.

    Counts of steps are kept where all parameters that they belong to are; where one is new or has grown, they start anew, so that
    corrections of moments (Adam's) are right for it.

    Args:
      old: a state of an `Updater`: parts, whose leaves for parameters lie under (module, name).
      new: the state that `init` gives.
      move: (old values by name, new ones) → what the new parameters start with; None: they are the same parameters.

    >>> import jax.numpy as jnp
    >>> old = [{"m": {("h", "W"): jnp.ones(2)}, "count": jnp.int32(5)}]
    >>> new = [{"m": {("h", "W"): jnp.zeros(2)}, "count": jnp.int32(0)}, {"m": {("o", "W"): jnp.zeros(1)}, "count": jnp.int32(0)}]
    >>> [(part["count"].item(), [m.tolist() for m in part["m"].values()]) for part in carried_states(old, new)]
    [(5, [[1.0, 1.0]]), (0, [[0.0]])]
    """
    before, after = _by_kind(old), _by_kind(new)
    moved: dict[Any, Mapping[str, Any]] = {}
    for kind, values in after.items():
        known = before.get(kind, {})
        if move is not None:
            moved[kind] = move(known, values)
        else:
            same = {n for n in known.keys() & values.keys() if np.shape(known[n]) == np.shape(values[n])}
            moved[kind] = {n: known[n] if n in same else v for n, v in values.items()}
    return [_part(part, old, before, moved) for part in new]


def fitted(new: Any, stored: Mapping[str, Any]) -> tuple[Any, int, int]:
    """The state of a new optimizer with what a checkpoint has of it: arrays of the same kind, parameter and shape.

    Args:
      new: the state that `init` gives.
      stored: the leaves of the checkpoint by name, "opt_state/0/optimizer/m/('h', 'W')".

    Returns:
      The state, how many arrays were taken, and how many there are.
    """
    known = {name.removeprefix("opt_state/").partition("/")[2]: value for name, value in stored.items()}
    values, kept = dict(named(new)), 0
    for name, value in values.items():
        old = known.get(name.partition("/")[2])
        if old is not None and np.shape(old) == np.shape(value):
            values[name], kept = old, kept + 1
    return refilled(new, values), kept, len(values)


def _part(part: Any, old: Any, before: Any, moved: Any) -> Any:
    leaves, structure = jax.tree_util.tree_flatten_with_path(part)
    shapes = {(_kind(path), name): np.shape(v) for path, v in leaves if (name := owner(path))}
    whole = all(n in before.get(k, {}) and np.shape(before[k][n]) == shape for (k, n), shape in shapes.items())
    names = {name for _, name in shapes}
    source = next((p for p in old if names & _names(p)), None) if whole else None
    plain = {} if source is None else {_kind(path): v for path, v in _leaves(source) if not owner(path)}
    found = []
    for path, value in leaves:
        name = owner(path)
        found.append(moved[_kind(path)][name] if name else plain.get(_kind(path), value))
    return jax.tree_util.tree_unflatten(structure, found)


def _by_kind(state: Any) -> dict[Any, dict[str, Any]]:
    """What a leaf is, such as the first moment → the parameter's name → its value."""
    found: dict[Any, dict[str, Any]] = {}
    for part in state:
        for path, value in _leaves(part):
            if name := owner(path):
                found.setdefault(_kind(path), {})[name] = value
    return found


def _leaves(tree: Any) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_flatten_with_path(tree)[0]


def _names(part: Any) -> set[str]:
    return {name for path, _ in _leaves(part) if (name := owner(path))}


def owner(path: Any) -> str | None:
    """The parameter that a leaf of an optimizer's state belongs to, "module/name"; None of one that belongs to none.

    Args:
      path: the leaf's, as of `jax.tree_util.tree_flatten_with_path`, with a key (module, name).
    """
    keys = [k.key for k in path if isinstance(k, jax.tree_util.DictKey) and isinstance(k.key, tuple)]
    return "/".join(keys[0]) if keys else None


def _kind(path: Any) -> tuple[str, ...]:
    return tuple(str(k) for k in path if not (isinstance(k, jax.tree_util.DictKey) and isinstance(k.key, tuple)))
