"""Which loss stands behind which name, and how losses are wired to layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenure.network.dims import Dim
from tenure.network.output import Output

if TYPE_CHECKING:
    from tenure.network.graph import Graph, Node
    from tenure.network.layer import Layer


def output_dim(loss: Any, target: Dim) -> Dim:
    """The dim of the output that a loss asks for: one more than the target's for CTC."""
    return target + 1 if loss == "ctc" else target


def loss_references(graph: Graph, node: Node, options: Any) -> Any:
    """The layers that a loss's options name."""
    return None


def add_loss(layer: Layer, out: Output) -> None:
    """Computes the layer's loss, and keeps it for the pass."""
