"""Sharing in dictionaries: `share` and `stages`, scopes that several layers use, and `reuse_params`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tenure.core.slots.sources import own
from tenure.network import reuse
from tenure.network.graph import SEARCHED, Node
from tenure.network.typing import Layer, Network, Run


class Sharing(NamedTuple):
    """What a layer's module is given.

    Attributes:
      share, stages: as `share=` and `stages=`.
      may_be_unused: whether nothing is wrong if the layer has no parameters.
      created: names of which the dictionary says that the layer creates them; nothing is wrong if it does not.
    """

    share: Any = None
    stages: Any = None
    may_be_unused: bool = False
    created: tuple[str, ...] = ()


NOTHING = Sharing()


def sharing(network: Network, run: Run, node: Node) -> Sharing:
    """What the dictionary says of a layer's parameters."""
    if node.cls.container:  # type: ignore[attr-defined]
        return NOTHING  # its layers ask what it says, each for its own parameters
    stages = node.get("stages")
    share = _own(network, run, node, node, "")
    if share is not None:
        created = tuple(k for k, v in share.items() if v is own) if isinstance(share, Mapping) else ()
        return Sharing(share, stages, created=created)
    share = _around(network, run, node)
    if share is None and run.module_path(node) != node.scope and node.scope:
        share = {"*": [f"/{node.scope}", None]}  # the layer that had the scope first owns what is in it
    return Sharing(share, stages, True)


def module_of(layer: Layer, name: str) -> str:
    """The path of the module that a parameter of a layer belongs to: the layer's own.

    A search in training has the scopes of the layers that it computes a second time. What only the later one of the two
    asks for, such as a learned start where its cell runs in the steps, is in that scope, too, as in RETURNN.
    """
    node, root = layer.node, layer.run
    while root.outer is not None:
        root = root.outer
    first = root.scopes.get(node.scope, node.key)
    if first == node.key or not any(key.startswith(SEARCHED) for key in (first, node.key)):
        return str(layer.module_name)
    others = {use.path for use in root.params if use.layer != node.key}
    return str(layer.module_name) if f"{node.scope}/{name}" in others else str(node.scope)


def _own(network: Network, run: Run, node: Node, speaker: Node, prefix: str) -> Any:
    """What `speaker`, the layer itself or a sub-network around it, says of the layer's parameters."""
    native = speaker.get("share")
    if native is not None:
        return _native(native, prefix)
    spec = speaker.refs.get("reuse_params")
    if spec is None:
        return None
    return reuse.share(run, node, spec, prefix, network.reuse == "legacy")


def _native(native: Any, prefix: str) -> Any:
    """The part of a `share` that speaks of a layer whose parameters have `prefix` before their names."""
    if not prefix:
        return native
    if not isinstance(native, Mapping):
        native = {"*": native}
    found: dict[str, Any] = {
        k[len(prefix) :]: v for k, v in native.items() if isinstance(k, str) and k.startswith(prefix)
    }
    rest = native.get("*")
    if isinstance(rest, str):
        found["*"] = f"{rest}/{prefix.rstrip('/')}"
    elif isinstance(rest, (list, tuple)) and rest and isinstance(rest[0], str):
        found["*"] = [f"{rest[0]}/{prefix.rstrip('/')}", *rest[1:]]
    elif rest is not None:
        found["*"] = rest
    return found


def _around(network: Network, run: Run, node: Node) -> Any:
    """What the sub-networks around a layer say of its parameters; the innermost one that says anything."""
    owner = node.level.owner
    while owner is not None:
        start = f"{owner.scope}/" if owner.scope else ""
        if node.scope.startswith(start):
            found = _own(network, run, node, owner, node.scope[len(start) :] + "/")
            if found:
                return found
        owner = owner.level.owner
    return None
