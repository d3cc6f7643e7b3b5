"""Branches: of two layers only the one that a condition chooses is computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run import transformations as lifting
from tenure.core.run.frame import Mode, current_frame
from tenure.network import ops, registry, sizes
from tenure.network.constraints import Decay, DecayInside
from tenure.network.errors import option_error
from tenure.network.graph import Graph, Key, Node
from tenure.network.inner_graph import InnerGraph, run_inner
from tenure.network.layer import Layer, layer
from tenure.network.losses.registry import loss_name
from tenure.network.output import Output
from tenure.network.run import Run
from tenure.network.tensor import Tensor

_BRANCHES = ("true_layer", "false_layer")


@layer("cond")
class Cond(Layer):
    """`true_layer` if the condition, a scalar, holds, else `false_layer`; each is a layer's name or description.

    Condition: a scalar; output: the axes that both branches have.
    """

    stepwise = True

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
            return self._taken(0 if bool(pred.data) else 1, names)
        shapes: list[dict[str, Tensor]] = []
        runs: dict[int, Run] = {}

        def branch(which: int) -> Any:
            def compute() -> Any:
                with sizes.inner():
                    runs[which], out = self._run(graphs[which], names)
                    tensors = {"": out.tensor} | {name: sub.tensor for name, sub in out.subs.items()}
                    if not shapes:
                        shapes.append({k: t.like(None) for k, t in tensors.items()})
                    arrays = {k: ops.aligned(t, shapes[0][k].dims) for k, t in tensors.items()}
                    return arrays, self._terms(which, runs[which])

            return compute

        arrays, terms = lifting.cond(pred.data, branch(0), branch(1))
        for which, run in runs.items():
            weight = jnp.where(pred.data if which == 0 else ~pred.data, 1.0, 0.0)
            self._keep(which, run, terms, None if self.run.single_step else weight)
        found = {k: Output(t.like(arrays[k])) for k, t in shapes[0].items()}
        return Output(found.pop("").tensor, subs=found)

    # Losses and decay of the layers inside.

    def _taken(self, which: int, names: list[str]) -> Output:
        """The output of the branch that is known to be taken."""
        run, out = self._run(self.node.branches[_BRANCHES[which]], names)
        self._keep(which, run, self._terms(which, run), None)
        return out

    def _loss_names(self, which: int) -> dict[str, str]:
        """The losses of a branch, by their names inside: `x/true_layer`, and `x/true_layer/y` of layers inside of that."""
        graph = self.node.branches[_BRANCHES[which]]
        start = graph.root.path + self.node.name
        inside = [loss_name(n) for n in graph.nodes.values() if n.get("loss") and n.key.startswith(start)]
        return {name: f"{self.node.key}/{_BRANCHES[which]}{name[len(start) :]}" for name in inside}

    def _terms(self, which: int, run: Run) -> dict[str, Any]:
        """The losses of both branches, as numbers; those of the one that is not taken are zero."""
        zero = jnp.zeros(())
        found = {name: (zero, zero, zero) for w in (0, 1) for name in self._loss_names(w).values()}
        for name, loss in run.losses.items():
            parts = (loss.loss, loss.error, loss.norm_factor)
            found[self._loss_names(which)[name]] = tuple(zero if p is None else jnp.float32(p) for p in parts)  # type: ignore[assignment]
        others = [term for term in run.constraints if not isinstance(term, (Decay, DecayInside))]
        return {"losses": found, "constraints": sum(others, zero)}

    def _keep(self, which: int, run: Run, terms: dict[str, Any], weight: Any) -> None:
        """Makes the losses and the decay of a branch those of the pass; RETURNN forgets them."""
        self.run.params += [use for use in run.params if use not in self.run.params]
        if self.run.network.reuse == "legacy":
            return
        for name, loss in run.losses.items():
            outside = self._loss_names(which)[name]
            parts = terms["losses"][outside]
            value, error = (None if a is None else b for a, b in zip((loss.loss, loss.error), parts[:2], strict=True))
            self.run.losses[outside] = dataclasses.replace(loss, loss=value, error=error, norm_factor=parts[2])
        decays = [term for term in run.constraints if isinstance(term, (Decay, DecayInside))]
        if weight is not None:
            decays = [dataclasses.replace(d, scale=d.scale * weight) for d in decays]
        self.run.constraints += decays
        if which == 0 or weight is None:  # the sum of both branches is one number
            self.run.constraints.append(terms["constraints"])

    def _parts(self, yes: Graph, no: Graph) -> list[str]:
        """The layers of sub-networks that both branches have, by name."""

        def parts(graph: Graph) -> set[str]:
            start = f"{graph.root.path}{self.node.name}/"
            return {k[len(start) :] for k in graph.nodes if k.startswith(start) and "/" not in k[len(start) :]}

        return sorted(parts(yes) & parts(no) - {"output", "data"})

    def _run(self, graph: Graph, names: list[str]) -> tuple[Run, Output]:
        run = run_inner(self, graph)
        start = graph.root.path + self.node.name
        subs = {name: Output(run.outputs[f"{start}/{name}"].tensor) for name in names}
        return run, Output(run.outputs[start].tensor, subs=subs)
