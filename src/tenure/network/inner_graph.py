"""Graphs inside of layers: the branches of a condition, a layer under a mask, the body of a loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tenure.network.graph import Graph, Level, Node
from tenure.network.output import Output
from tenure.network.run import Run

if TYPE_CHECKING:
    from tenure.network.layer import Layer


class InnerGraph(Graph):
    """The graph of one layer's description inside of another layer, in whose dictionary its references are looked up.

    Args:
      outer: the graph around.
      owner: the layer that runs it.
      entry: the description of the layer inside; it has the owner's name, and its parameters the owner's scope.
      which: tells several graphs of one owner apart.
      data: what "data" means inside, if not what it means outside: key → node of this graph.
    """

    def __init__(
        self, outer: Graph, owner: Node, entry: Mapping[str, Any], which: str, data: Mapping[str, str] | None = None
    ):
        level = Level(f"{owner.key}({which})/", owner.level.scope, {owner.name: entry}, owner=owner, kind="inner")
        level.data |= data or {}
        super().__init__(
            level,
            outer.flags,
            outer.inputs,
            default_input=outer.default_input,
            default_target=outer.default_target,
            outer=outer,
        )
        self.owner = owner

    def build(self, roots: Iterable[str] | None = None, *, more: Iterable[str] = ()) -> Graph:
        super().build(roots or [self.owner.name], more=more)
        self.owner.deps += [key for key in self.needed if key not in self.owner.deps]
        return self

    def missing(self, level: Level, ref: str, asker: str, option: str) -> str | None:
        return self._import(self.owner.level, ref, asker, option) if level is self.root else None

    def _outside(self, level: Level, ref: str, asker: str, option: str) -> str:
        if level is self.root:
            return self._import(self.owner.level, f"base:{ref}", asker, option)
        return super()._outside(level, ref, asker, option)


def run_inner(layer: Layer, graph: Graph, given: Mapping[str, Output] | None = None) -> Run:
    """One pass of an inner graph.

    Args:
      layer: the layer that runs it.
      graph: its graph.
      given: outputs of nodes of the graph that are not layers, such as what "data" is.
    """
    run = Run(layer.run.network, graph, layer.run.flags, layer.run)
    run.params, run.losses, run.constraints = [], {}, []
    run.single_step, run.loop_time = layer.run.single_step, layer.run.loop_time
    run.loop_dim, run.loop_step = layer.run.loop_dim, layer.run.loop_step
    for key in graph.imports:
        if key in layer.run.outputs:
            run.outputs[f"base:{key}"] = layer.run.outputs[key]
    run.outputs |= given or {}
    return run.go()
