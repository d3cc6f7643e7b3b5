"""`load_on_init` of sub-networks: their first values are those of a checkpoint of their own, such as a language model's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from tenure.core.errors import brief
from tenure.network.graph import Graph, Node
from tenure.returnn.checkpoints.conversion import Values
from tenure.returnn.checkpoints.load import CheckpointMismatchError, Shapes
from tenure.returnn.checkpoints.preload import Preload, preload

_OWN_NAMES = {"load_if_prefix": "prefix"}


def entries(graphs: Iterable[Graph]) -> dict[str, Preload]:
    """The sub-networks with `load_on_init`, inside of loops and branches too: the scope of their variables → what is loaded.

    Args:
      graphs: of one network, under different flags.

    Raises:
      CheckpointMismatchError: an option that says something else than a file.
    """
    found: dict[str, Preload] = {}
    for graph in graphs:
        for node in _nodes(graph):
            if node.get("load_on_init"):
                found.setdefault(*_entry(node))
    return found


def on_init(found: Mapping[str, Preload], variables: Shapes, read: Callable[[str], Values]) -> dict[str, np.ndarray]:
    """The first values of the variables of such sub-networks.

    Args:
      found: of `entries`.
      variables: the shapes of the network's variables by name.
      read: gives a checkpoint's arrays by its file name.

    Raises:
      CheckpointMismatchError: a file lacks a variable, or has another shape for it.
    """
    values: dict[str, np.ndarray] = {}
    for scope, entry in found.items():
        start = f"{scope}/" if scope else ""
        own = {name.removeprefix(start): shape for name, shape in variables.items() if name.startswith(start)}
        if own:
            loaded = preload(own, read(entry.filename), entry, option="load_on_init")
            values |= {f"{start}{name}": value for name, value in loaded.items()}
    return values


def _nodes(graph: Graph) -> Iterator[Node]:
    for node in graph.nodes.values():
        yield node
        for branch in node.branches.values():
            yield from _nodes(branch)


def _entry(node: Node) -> tuple[str, Preload]:
    given = node.get("load_on_init")
    given = given() if callable(given) else given
    options = {"filename": given} if isinstance(given, str) else given
    if node.class_name != "subnetwork" or not isinstance(options, Mapping) or not options.get("filename"):
        raise CheckpointMismatchError(
            f"layer '{node.key}' ({node.class_name}): 'load_on_init' is {brief(given)}",
            ways=[
                "of a 'subnetwork': 'load_on_init': 'model.023'",
                "{'filename': 'model.023', 'load_if_prefix': 'lm_'}",
            ],
        )
    named = {_OWN_NAMES.get(name, name): value for name, value in options.items()}
    scope = str(named.pop("params_prefix", node.scope)).rstrip("/")
    return scope, Preload.of(named, node.key, option="load_on_init")


__all__ = ["entries", "on_init"]
