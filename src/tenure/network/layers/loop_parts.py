"""Layers that mean something inside of loops only, or of their outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from tenure.network import ops, sizes
from tenure.network.graph import Graph, Key, Node
from tenure.network.layer import Layer, layer
from tenure.network.tensor import Tensor


@layer("prev")
class Previous(Layer):
    """A layer's output one step ago; the loop gives it.

    Output: the axes of the layer.
    """

    def forward(self) -> Tensor:
        raise self.error("from", self.node.key, "there is no step before, outside of a loop")


@layer("frame")
class Frame(Layer):
    """One frame of a sequence; the loop gives it.

    Output [B, …], of a sequence [B, T, …].
    """

    def forward(self) -> Tensor:
        raise self.error("from", self.node.key, "there is no frame outside of a loop")


@layer("step_index")
class StepIndex(Layer):
    """The number of the step, `:i`: a scalar, or for what is moved out of the loop all numbers [T]."""

    framewise = True

    def forward(self) -> Tensor:
        if self.run.single_step:
            return Tensor(jnp.asarray(self.run.loop_step, jnp.int32), ())
        time = self.run.loop_time
        if time is None:
            raise self.error("from", ":i", "there are no steps outside of a loop")
        return Tensor(jnp.arange(sizes.current().padded(time), dtype=jnp.int32), (time,))


@layer("rec_unstack")
class RecUnstack(Layer):
    """The frames of a sequence outside of the loop, one for each step. Input [B, T, …], output [B, …]."""

    framewise = True

    def forward(self, sources: Sequence[Tensor], *, axis: Any = None, declare_rec_time: bool = False) -> Tensor:
        (x,) = sources
        time = self.run.loop_time
        if time is None or self.run.single_step:
            raise self.error("from", self.node.get("from"), "the input has to be outside of the loop: 'base:x'")
        around = self.run.loop_dim
        at = self.axis(x, around if axis is None else axis)
        if x.dims[at] != around and x.shape[at] != sizes.current().padded(time):
            raise self.error("axis", axis, f"the loop goes over {around!r}")
        moved = x.replace_dim(at, time).move_axis(at, 0)
        return Tensor(moved.data, moved.dims, moved.sparse_dim, 0, moved.feature_axis)


@layer("rec_last_output")
class RecLastOutput(Layer):
    """The output of a layer inside of a loop after the last step [B, …]; `need_last` keeps it there."""

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        name, key = node.get("sub_layer_name"), graph.resolve(node.level, node.get("rec_layer"), node.key, "rec_layer")
        owner = graph.nodes[key]
        while owner.class_name in ("subnetwork", "copy"):
            inner, names = graph.levels.get(f"{key}/"), _names(owner)
            if inner is None and len(names) != 1:
                break
            level, ref = (owner.level, names[0]) if inner is None else (inner, "output")
            key = graph.resolve(level, ref, node.key, "rec_layer")
            owner = graph.nodes[key]
        node.refs["loop"] = Key(key)
        node.refs["sub"] = Key(graph.resolve(owner.level, f"{owner.name}/{name}", node.key, "sub_layer_name"))
        node.deps += [key, node.refs["sub"]]

    def forward(self, *, rec_layer: str, sub_layer_name: str) -> Tensor:
        x = self.given(self.node.refs["sub"]).tensor
        if x.time_axis is None:
            return x
        dim, axis = x.dims[x.time_axis], x.time_axis
        y = x.move_axis(axis, 0)
        one = y.without(0)
        start = one.like(jnp.zeros(y.shape[1:], y.dtype))
        of = self.run.layers[self.node.refs["loop"]].done
        key = f"{of.graph.root.path}{sub_layer_name}"
        inner = of.graph.nodes.get(key)
        if inner is not None and (inner.get("initial_output") is not None or not x.sparse):
            start = of.first_output(key, start)
        frames = jnp.concatenate([start.data[None], y.data])
        lengths = sizes.current().lengths(dim)
        if lengths is None:
            return one.like(frames[-1])
        places = ops.aligned(lengths, one.dims)[None]
        places = jnp.broadcast_to(places, (1, *one.like(frames[0]).shape))
        return one.like(jnp.take_along_axis(frames, places, axis=0)[0])


def _names(node: Node) -> list[str]:
    """The names in `from`."""
    given = node.get("from")
    return [given] if isinstance(given, str) else list(given or ())
