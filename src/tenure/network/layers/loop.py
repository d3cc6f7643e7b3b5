"""Loops: recurrent layers whose unit is a dictionary of layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from tenure.network import loop_length, ops, sizes
from tenure.network.errors import option_error
from tenure.network.graph import Graph, Node
from tenure.network.layer import Layer, layer
from tenure.network.layers.loop_frames import clean
from tenure.network.layers.loop_pass import Pass
from tenure.network.layers.loop_steps import STEPWISE, TARGETS, Steps
from tenure.network.loop import LoopGraph
from tenure.network.losses.registry import add_loss
from tenure.network.output import Output, map_tensors
from tenure.network.tensor import Tensor


@layer("rec_loop")
class Loop(Layer):
    """A dictionary of layers, step by step over a sequence; what need not run step by step is moved out of the loop.

    The loop goes over the input's time, or the target's if there is no input; in search until `end` says so, at most
    `max_seq_len` steps. Input [B, T, …], output [T, B, …] of the layer `output` inside, with the dim of the hypotheses
    where it searches; `rec/x` are outputs of layers inside.

    Attributes:
      done: the pass that it made last.
    """

    container = True
    stepwise = True
    more_options = ("unit",)

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        if not isinstance(node.get("unit"), Mapping):
            why = "a loop has a dictionary of layers"
            raise option_error(node.key, node.class_name, "unit", node.get("unit"), why, ["'class': 'rec'  for a cell"])
        body = node.branches["unit"] = LoopGraph(graph, node, node.get("unit")).build()
        assert isinstance(body, LoopGraph)
        loop_length.link(graph, node, body)

    @property
    def sees_beams(self) -> bool:
        return self.chooses(self.node, self.run.flags)

    def forward(
        self,
        sources: Any = (),
        *,
        axis: Any = None,
        max_seq_len: Any = None,
        max_seq_len_via: Tensor | None = None,
        optimize_move_layers_out: bool | None = None,
        include_eos: bool = False,
        direction: int | None = None,
        back_prop: bool | None = None,
        unroll: bool = False,
        input_projection: bool = True,
        use_global_rec_step_offset: bool = False,
        debug: bool | None = None,
        unit_opts: Any = None,
        remat: bool | int = False,
        compact: int = 0,
    ) -> Output:
        if not isinstance(remat, int) or remat < 0:
            raise self.error("remat", remat, "True, or a number of steps, is needed")
        if not isinstance(compact, int) or compact < 0:
            raise self.error("compact", compact, "how many times a search may halve its batch is needed", ["2"])
        if direction not in (None, 1, -1):
            raise self.error("direction", direction, "forward is 1, backward is -1")
        self.unsupported("a dictionary of layers has no options of a cell", unit_opts=unit_opts)
        self.unsupported("steps are counted from 0", use_global_rec_step_offset=use_global_rec_step_offset)
        self.done = Pass(self)
        return _result(self.done, back_prop is not False)


def _result(of: Pass, back_prop: bool) -> Output:
    """What the loop gives."""
    graph, run, split = of.graph, of.run, of.split
    for key, x in of.frames.items():
        run.outputs[key] = Output(x if of.outer.network.padding == "legacy" else clean(x, of.time))
    for key in split.before:
        of.whole(key)
    found = Steps(of).result() if split.inside else {}
    if not back_prop:
        found = map_tensors(_without_gradient, found)
    run.outputs |= found
    for key in split.inside:
        if key in found and graph.nodes[key].get("loss") and not run.dry:
            add_loss(
                run.build(graph.nodes[key]), found.get(f"{STEPWISE}{key}", found[key]), found.get(f"{TARGETS}{key}")
            )
    for key in split.after:
        of.whole(key)
    of.outer.params += run.params
    of.outer.constraints += run.constraints
    of.outer.losses.update(run.losses)
    start = graph.root.path
    subs = {k[len(start) :]: v for k, v in run.outputs.items() if k.startswith(start)}
    out = dataclasses.replace(run.outputs[f"{start}output"], subs=subs, state={}, extra=None)
    out = map_tensors(of.leaving, out)
    for dim, padded, lengths in of.new_lengths:
        sizes.current().declare(dim.root, padded, of.leaving(lengths))
    moved = (
        of.outer.network.reuse == "legacy"
    )  # in RETURNN, gradients of what is moved out of the loop are there all the same
    return out if back_prop or moved else map_tensors(_without_gradient, out)


def _without_gradient(x: Tensor) -> Tensor:
    return ops.map1(jax.lax.stop_gradient, x)
