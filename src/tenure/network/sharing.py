"""Sharing in dictionaries: `share` and `stages`, scopes that several layers use, and `reuse_params`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenure.network.graph import Node
    from tenure.network.network import Network
    from tenure.network.run import Run


def sharing(network: Network, run: Run, node: Node) -> tuple[dict[str, Any] | None, Any]:
    """What a layer's module is given as `share=` and `stages=`."""
    share = node.get("share")
    path = run.module_path(node)
    if share is None and path != node.scope and node.scope:
        share = {"*": [f"/{node.scope}", None]}
    return share, node.get("stages")
