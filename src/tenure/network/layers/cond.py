"""Branches: of two layers only the one that a condition chooses is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core import lifting
from tenure.core.frame import Mode, current_frame
from tenure.network import ops, registry, sizes
from tenure.network.errors import option_error
from tenure.network.graph import Graph, Key, Node
from tenure.network.inner import InnerGraph, run_inner
from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import Tensor

_BRANCHES = ("true_layer", "false_layer")


@layer("cond")
class Cond(Layer):
    """`true_layer` if the condition, a scalar, holds, else `false_layer`; each is a layer's name or description."""

    container = True
    more_options = ("condition", *_BRANCHES)

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        node.refs["condition"] = cls._condition(graph, node, node.get("condition"))
        for branch in _BRANCHES:
            entry = node.get(branch)
            if isinstance(entry, str):
                entry = {"class": "copy", "from": entry}
            if not isinstance(entry, Mapping) or "class" not in entry:
                raise option_error(node.key, "cond", branch, entry, "a layer's name, or its description, is needed")
            node.branches[branch] = InnerGraph(graph, node, entry, branch).build()

    @staticmethod
    def _condition(graph: Graph, node: Node, value: Any) -> Key:
        if not isinstance(value, Mapping):
            return graph.refer(node, "condition", value)
        key = f"{node.key}/condition"
        cls = registry.find(value.get("class"), key)
        graph.add(Node(key, "condition", cls, dict(value), node.level, f"{node.scope}/condition"))
        node.deps.append(key)
        return Key(key)

    def forward(self) -> Output:
        pred = self.fill(self.node.refs["condition"])
        if pred.ndim or pred.dtype != jnp.bool_:
            raise self.error("condition", self.node.get("condition"), f"{pred!r} is no scalar of dtype bool")
        graphs = [self.node.branches[b] for b in _BRANCHES]
        names = self._parts(*graphs)
        if current_frame("cond").mode is Mode.APPLY and not isinstance(pred.data, jax.core.Tracer):
            return self._run(graphs[0 if bool(pred.data) else 1], names)
        shapes: list[dict[str, Tensor]] = []

        def branch(graph: Graph) -> Any:
            def compute() -> Any:
                with sizes.inner():
                    out = self._run(graph, names)
                    tensors = {"": out.tensor} | {name: sub.tensor for name, sub in out.subs.items()}
                    if not shapes:
                        shapes.append({k: t.like(None) for k, t in tensors.items()})
                    return {k: ops.aligned(t, shapes[0][k].dims) for k, t in tensors.items()}

            return compute

        arrays = lifting.cond(pred.data, branch(graphs[0]), branch(graphs[1]))
        found = {k: Output(t.like(arrays[k])) for k, t in shapes[0].items()}
        return Output(found.pop("").tensor, subs=found)

    def _parts(self, yes: Graph, no: Graph) -> list[str]:
        """The layers of sub-networks that both branches have, by name."""

        def parts(graph: Graph) -> set[str]:
            start = f"{graph.root.path}{self.node.name}/"
            return {k[len(start) :] for k in graph.nodes if k.startswith(start) and "/" not in k[len(start) :]}

        return sorted(parts(yes) & parts(no) - {"output", "data"})

    def _run(self, graph: Graph, names: list[str]) -> Output:
        run = run_inner(self, graph)
        start = graph.root.path + self.node.name
        subs = {name: Output(run.outputs[f"{start}/{name}"].tensor) for name in names}
        self.run.params += [use for use in run.params if use not in self.run.params]
        return Output(run.outputs[start].tensor, subs=subs)
