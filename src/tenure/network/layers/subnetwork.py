"""Sub-networks: layers with a dictionary of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.network.errors import option_error
from tenure.network.graph import Graph, Key, Level, Node
from tenure.network.layer import Layer, layer
from tenure.network.layers.copy import Copy
from tenure.network.output import Output
from tenure.network.references import source_names


@layer("subnetwork")
class Subnetwork(Layer):
    """A dictionary of layers as one layer; "data" inside is its input, and its output is that of its layer "output".

    Its layers are part of the graph like all others, under the path `name/inner`.

    Input: the axes of the input, output: those of the layer `output` inside.
    """

    container = True

    @classmethod
    def expand(cls, graph: Graph, node: Node) -> None:
        net = node.get("subnetwork")
        if not isinstance(net, Mapping):
            graph.check_options(node)  # it may be there under another name
            raise option_error(node.key, "subnetwork", "subnetwork", net, "a dict of layers is needed")
        scope = f"{node.scope}/" if node.scope else ""
        level = Level(f"{node.key}/", scope, net, node.level, owner=node)
        graph.levels[level.path] = level
        node.inner_level = level
        names = source_names(node, ["data"])
        if len(names) == 1 or (names and node.get("concat_sources", True)):
            level.data["data"] = cls._input(graph, node, names)
        else:
            level.data |= {str(i): graph.resolve(node.level, n, node.key, "from") for i, n in enumerate(names)}

    @staticmethod
    def _input(graph: Graph, node: Node, names: list[Any]) -> str:
        """The node that is "data" inside: the inputs concatenated, with dropout."""
        dropout = {k: v for k, v in node.options.items() if k.startswith("dropout")}
        if len(names) == 1 and not dropout.get("dropout"):
            return graph.resolve(node.level, names[0], node.key, "from")
        key = f"{node.key}/data"
        graph.add(Node(key, "data", Copy, {"class": "copy", "from": names, **dropout}, node.level, ""))
        return key

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        level = node.inner_level
        assert level is not None
        output = graph.resolve(level, "output", node.key, "subnetwork")
        node.refs["output"] = Key(output)
        node.deps.append(output)
        for name, entry in level.layers.items():
            if not isinstance(name, str) or name.startswith("#") or not isinstance(entry, Mapping):
                continue
            if graph.active(entry) and graph.is_output(entry):
                graph.resolve(level, name, node.key, "subnetwork")

    def forward(
        self,
        *,
        subnetwork: Any,
        concat_sources: bool = True,
    ) -> Output:
        return self.given(self.node.refs["output"])
