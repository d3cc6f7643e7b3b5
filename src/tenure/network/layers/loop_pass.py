"""One pass of a loop: what is moved out of it, computed for all steps at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp

from tenure.network import loop_length, ops, sizes
from tenure.network.dims import Dim
from tenure.network.layer import Layer
from tenure.network.layers.first_output import first_output
from tenure.network.layers.loop_frames import turned
from tenure.network.loop import LoopGraph, masks_around, own_labels, parts
from tenure.network.output import Output, map_tensors
from tenure.network.run import Run
from tenure.network.tensor import Tensor


class Pass:
    """One pass of a loop.

    Attributes:
      loop: the layer.
      graph: its body.
      time: the dim that it goes over.
      run: the pass over what is moved out.
      split: which layers run when.
      named_in_steps: the layers that run step by step in RETURNN, after which its parameters' names go.
      apart: what is computed of labels that need not be as long as the loop, over a time of their own.
      forms: what the layers inside give, as far as dims and dtypes go; known once the steps are looked at.
      new_lengths: the lengths of dims that only steps know of.
    """

    def __init__(self, loop: Layer):
        self.loop, self.outer = loop, loop.run
        graph = loop.node.branches["unit"]
        assert isinstance(graph, LoopGraph)
        self.graph = graph
        move_out = loop.node.get("optimize_move_layers_out") is not False
        legacy = self.outer.network.reuse == "legacy"  # RETURNN's loops of layers go forward, whatever 'direction' says
        whole = list(self._over_whole())
        self.split = parts(graph, move_out, whole, states_in_steps=not legacy)
        self.named_in_steps = frozenset(parts(graph, move_out, whole, states_in_steps=False).inside)
        self.reverse = loop.node.get("direction") == -1 and not legacy
        self.remat: bool | int = loop.node.get("remat") or False
        self.run = self.step_run()
        self.run.all_steps = True
        self.built: dict[str, Layer] = {}
        self.forms: Mapping[str, Output] = {}
        self.new_lengths: list[tuple[Dim, int, Tensor]] = []
        self.run.layers = self.built
        frames = loop_length.sequences(loop, graph)
        known = sizes.current()
        self.outer_time = loop_length.time(loop, graph, frames)
        self.time = self.run.loop_time = loop.new_dim("steps", None)  # a sequence as a whole has the outer dim
        self.run.loop_dim = self.outer_time
        known.declare(self.time, known.padded(self.outer_time), known.lengths(self.outer_time))
        others = [key for key, x in frames.items() if not x.has(self.outer_time)]
        self.apart = own_labels(graph, self.split, others)
        self.frames = {
            k: x if k in self.apart else self._frames(loop_length.fitted(loop, graph, k, x, self.outer_time))
            for k, x in frames.items()
        }

    def step_run(self) -> Run:
        """A pass over the body, with what it needs from outside."""
        run = Run(self.outer.network, self.graph, self.graph.flags, self.outer)
        run.params, run.losses, run.constraints = [], {}, []
        run.stepped = self.named_in_steps
        for key in self.graph.imports:
            if key in self.outer.outputs:
                run.outputs[f"base:{key}"] = self.outer.outputs[key]
        return run

    def _over_whole(self) -> Iterator[str]:
        """The recurrent layers and loops inside that go over a sequence outside."""
        for key, node in self.graph.nodes.items():
            chooses = node.cls.chooses(node, self.graph.flags)  # type: ignore[attr-defined]
            if node.class_name != "rec" or not node.sources or chooses or masks_around(node):
                continue
            outside = [self.outer.outputs.get(k.removeprefix("base:")) for k in node.sources if k.startswith("base:")]
            found = [out for out in outside if out is not None and out.tensor.time_axis is not None]
            if len(found) == len(node.sources) and node.get("axis") is None and node.get("state") is None:
                yield key

    def _frames(self, x: Tensor) -> Tensor:
        """A sequence as one of frames for the steps."""
        if not x.has(self.outer_time):
            return x
        return self._turned(x.replace_dim(x.axis(self.outer_time), self.time))

    def leaving(self, x: Tensor) -> Tensor:
        """An output as it is outside of the loop, where its time is what the loop goes over."""
        if not x.has(self.time):
            return x
        axis = x.axis(self.time)
        return dataclasses.replace(self._turned(x).replace_dim(axis, self.outer_time), time_axis=axis)

    def _turned(self, x: Tensor) -> Tensor:
        return turned(x, self.time) if self.reverse else x

    def whole(self, key: str) -> None:
        """Computes what is moved out of the loop."""
        run, graph = self.run, self.graph
        if key in run.outputs or key in graph.frames:
            return
        if key not in graph.previous:
            for needed in graph.nodes[key].deps:
                if needed in graph.previous:
                    self.whole(needed)
            run.compute(graph.nodes[key])
            return
        target = graph.previous[key]
        if run.outputs[target].tensor.has(self.outer_time):  # frames of the steps, if there is a step before
            run.outputs[target] = map_tensors(self._frames, run.outputs[target])
        x = run.outputs[target].tensor
        axis = x.time_axis if target in self.apart else x.axis(self.time) if x.has(self.time) else None
        if axis is None:
            raise self.loop.error("unit", "…", f"'{target}' is the same in all steps; name it without 'prev:'")
        one = x.without(axis)
        shape = tuple(n for i, n in enumerate(x.shape) if i != axis)
        start = self.first_output(target, one.like(jnp.zeros(shape, x.dtype)))
        data = jnp.concatenate([jnp.expand_dims(start.data, axis), x.data], axis=axis)
        run.outputs[key] = Output(x.like(jax.lax.slice_in_dim(data, 0, x.shape[axis], axis=axis)))

    def first_output(self, key: str, zeros: Tensor) -> Tensor:
        """What `prev:` of a layer is in the first step."""
        node = self.graph.nodes[key]
        ended = key == f"{self.graph.root.path}end" and node.get("initial_output") is None
        if ended:
            return zeros
        starts = node.get("initial_state") is not None and node.get("initial_output") is None
        if starts and hasattr(node.cls, "output_of_first_state"):
            found = self.run.build(node).output_of_first_state(zeros)
            return zeros.like(jnp.broadcast_to(ops.aligned(found, zeros.dims), zeros.shape))
        return first_output(self.run, node, zeros, self.forms)
