"""Generic options that may name layers: targets, initial outputs and states, losses' arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.network.errors import LayerNotFoundError, option_error
from tenure.network.graph import Graph, Key, Node
from tenure.network.losses.registry import loss_references
from tenure.network.reuse import parse

_INITIAL = ("zeros", "ones", "var", "keep_over_epoch", "keep_over_epoch_no_init", "apply(0)")


def generic_reference(graph: Graph, node: Node, option: str, value: Any) -> Any:
    """The nodes that a generic option refers to, in the structure of its value; None if it names none."""
    if option in ("initial_output", "initial_state", "state"):
        return _initial(graph, node, option, value)
    if option == "target":
        return _targets(graph, node, value)
    if option == "extra_deps":
        return graph.refer(node, option, value)
    if option == "reuse_params":
        return parse(graph, node, value)
    if option == "size_target":
        return _target(graph, node, value)
    if option == "loss_opts" and node.get("loss") and graph.counts_losses:
        return loss_references(graph, node, value)
    return None


def _initial(graph: Graph, node: Node, option: str, value: Any) -> Any:
    if isinstance(value, str):
        return value if value in _INITIAL else graph.refer(node, option, value)
    if isinstance(value, (list, tuple)):
        return type(value)(_initial(graph, node, option, v) for v in value)
    if isinstance(value, Mapping):
        return {k: _initial(graph, node, option, v) for k, v in value.items()}
    return value


def _targets(graph: Graph, node: Node, value: Any) -> Any:
    names = list(value) if isinstance(value, (list, tuple)) else [value]
    return [_target(graph, node, name) for name in names]


def _target(graph: Graph, node: Node, name: Any) -> Key | None:
    if not isinstance(name, str):
        graph.resolve(node.level, name, node.key, "target")
    if name.startswith("layer:"):
        return graph.refer(node, "target", name[len("layer:") :])
    key = None
    if name in node.level.layers and name != node.name:
        key = graph.refer(node, "target", name)
    if key is not None:
        return key
    try:
        return graph.refer(node, "target", f"data:{name}")
    except LayerNotFoundError:
        if graph.counts_losses and (not graph.flags.search or node.get("loss")):
            raise
        return None  # nothing is compared with it


def source_names(node: Node, default: Any = ()) -> list[Any]:
    """The names in `from`, taken out of the node's options.

    Raises:
      OptionError: it is neither a name nor a list.
    """
    given = node.options.pop("from", default)
    if given is None:
        return []
    if not isinstance(given, (str, list, tuple)):
        raise option_error(node.key, node.class_name, "from", given, "the name of a layer, or a list of names")
    return [n for n in ([given] if isinstance(given, str) else given) if n != "none"]
