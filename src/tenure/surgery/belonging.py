"""Whether an optimizer's state is one of these params: the state of other params is refused by the name of a leaf."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from tenure.core.errors import OptimizerStateError, Party
from tenure.core.notation import paths


def check_belongs(state: Any, params: Mapping[str, Any]) -> None:
    """Whether the trees in a state are trees like params, with arrays of their shapes.

    A state without such trees, such as plain gradient descent's, has nothing that could be wrong. An optimizer of a part of the
    params, as of `tn.partition`, has trees like that part. Dicts of dicts that share no module with params are taken for
    something else, if other trees are like params.

    Raises:
      OptimizerStateError: a tree has other modules, other names or other shapes.
    """

    def is_tree(node: Any) -> bool:
        """Whether a node is like params, or is a dict of dicts of arrays."""
        return like(node, params) or (_depth(node) == 2 and any(np.ndim(a) for a in jax.tree.leaves(node)))

    found = [(where, node) for where, node in parts([state], "", is_tree) if is_tree(node)]
    alike = [(where, tree) for where, tree in found if like(tree, params)]
    for where, tree in found:
        if not like(tree, params) and (not alike or tree.keys() & params.keys()):
            raise _of_others(*_odd_one(where, tree, params))
    for where, tree in alike:
        for module, entries in tree.items():
            for name, entry in entries.items() if isinstance(entries, Mapping) else ():
                wanted = np.shape(params[module][name])
                if hasattr(entry, "shape") and misfit(np.shape(entry), wanted):
                    path = paths.join(module, name)
                    raise _of_others(f"{where}/{path}", f"it is {np.shape(entry)}, and '{path}' is {wanted}")


def like(node: Any, params: Mapping[str, Any]) -> bool:
    """Whether a node is a tree like params, or like a part of them; leaves, or whole modules, may be masked."""
    return (
        isinstance(node, Mapping)
        and bool(node)
        and node.keys() <= params.keys()
        and all(empty(e) or (isinstance(e, Mapping) and e.keys() <= params[m].keys()) for m, e in node.items())
    )


def empty(node: Any) -> bool:
    """Whether nothing is kept, as for a leaf that is masked."""
    return not isinstance(node, Mapping) and not jax.tree.leaves(node)


def misfit(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether an array with as many axes as a parameter has other sizes; 1 stands for an axis that is summed over.

    >>> misfit((6, 4), (6, 4)), misfit((6, 1), (6, 4)), misfit((5, 4), (6, 4)), misfit((5,), (6, 4))
    (False, False, True, False)
    """
    return len(shape) == len(wanted) and any(n not in (1, m) for n, m in zip(shape, wanted, strict=True))


def parts(node: Any, where: str, stop: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    """What is in a node, down to its leaves, with the places.

    Args:
      node: any pytree.
      where: its place.
      stop: says of what is within whether to go no further.
    """
    found, _ = jax.tree_util.tree_flatten_with_path(node, is_leaf=lambda n: n is not node and stop(n))
    for place, part in found:
        yield "/".join(filter(None, (where, jax.tree_util.keystr(place, simple=True, separator="/")))), part


def _depth(node: Any) -> int:
    """How many dicts lie within each other down to arrays; 0 for anything else, or where other nodes hold arrays."""
    if not isinstance(node, Mapping):
        return 0
    inner = [
        _depth(v) if isinstance(v, Mapping) else (0 if empty(v) or hasattr(v, "shape") else -9) for v in node.values()
    ]
    return max(inner, default=0) + 1 if min(inner, default=0) >= 0 else 0


def _odd_one(where: str, tree: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[str, str]:
    """A leaf that a tree has and the params have not, and a sentence on it.

    Args:
      where: the tree's place in the state.
      tree: the tree.
      params: the params that it should be like.
    """
    for module, entries in tree.items():
        for name in entries if isinstance(entries, Mapping) else [""]:
            if module not in params or (name and name not in params[module]):
                path = paths.join(str(module), str(name)) if name else str(module)
                return f"{where}/{path}", f"the params have no '{path}'"
    return where, "it is no tree like the params"


def _of_others(name: str, why: str) -> OptimizerStateError:
    return OptimizerStateError(
        f"the optimizer state is not one of these params, at the leaf '{name.lstrip('/')}': {why}",
        parties=[Party("leaf", name.lstrip("/"))],
        ways=[
            "give what optimizer.init(params) or optimizer.update returned for these very params",
            "give no opt_state, and start anew:  optimizer.init(params)",
        ],
    )
