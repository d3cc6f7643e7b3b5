"""Computation on some of the frames only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from tenure.network import ops, registry, sizes
from tenure.network.dims import Dim
from tenure.network.errors import option_error
from tenure.network.graph import Graph, Key, Level, Node
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import dynamic
from tenure.network.layers.stepwise import kept
from tenure.network.losses.decode import packed
from tenure.network.losses.registry import UNIT
from tenure.network.output import Output
from tenure.network.references import source_names
from tenure.network.tensor import Tensor


class _MaskedNames(Mapping[str, Any]):
    """The layers around, as the unit sees them: those with the masked dim have its frames only."""

    of_outer_steps = True  # `prev:x` and `base:x` are what they are around

    def __init__(self, outer: Mapping[str, Any], options: Mapping[str, Any]):
        self.outer, self.options = outer, options

    def __getitem__(self, name: str) -> Any:
        if name not in self.outer:
            raise KeyError(name)
        return {"from": f"base:{name}", **self.options}

    def __iter__(self) -> Iterator[str]:
        return iter(self.outer)

    def __len__(self) -> int:
        return len(self.outer)


@layer("masked_computation")
class MaskedComputation(Layer):
    """A layer computed over the frames that a mask selects, put side by side; a new, shorter time dim.

    Input [B, T, …], `mask` [B, T], output [B, T', …], T' the number of frames that are selected. `masked_from` [B, T', …]
    has those frames, and no mask is asked.
    """

    container = True
    stepwise = True

    @classmethod
    def expand(cls, graph: Graph, node: Node) -> None:
        """The unit becomes a layer inside, which has this layer's parameters."""
        unit, mask, base = node.get("unit"), node.get("mask"), node.get("masked_from")
        if not isinstance(unit, Mapping) or "class" not in unit:
            raise option_error(
                node.key,
                "masked_computation",
                "unit",
                unit,
                "a layer's dict is needed",
                ["{'class': 'copy', 'from': 'data'}"],
            )
        names = source_names(node)
        time = node.get("out_spatial_dim")
        if not isinstance(time, Dim):
            time = Dim(None, f"{node.name}:masked:time", auto=True)
        options: dict[str, Any] = {"class": "copy"}
        if mask is not None:
            options = {"class": "masked_frames", "mask": f"base:{mask}", "time": time}
            options["in_spatial_dim"] = node.get("in_spatial_dim")
        elif base is None:
            raise option_error(
                *(node.key, "masked_computation", "mask", mask, "it says which frames are computed"),
                [
                    "the name of a layer with a truth value for each frame",
                    "'masked_from': a layer with these frames only",
                ],
            )
        level = Level(f"{node.key}/", node.scope, _MaskedNames(node.level.layers, options), node.level, owner=node)
        graph.levels[level.path] = level
        if base is not None:
            node.options.pop("mask", None)  # the masked frames are there already
            level.data["data"] = graph.resolve(node.level, base, node.key, "masked_from")
        elif names:
            key = f"{node.key}/:masked"
            outer = {**options, "from": names, "mask": mask}
            level.data["data"] = key
            graph.add(Node(key, "data", registry.find("masked_frames", key), outer, node.level, ""))
        inner = Node(
            f"{node.key}/{UNIT}", node.name, registry.find(unit["class"], node.key), dict(unit), level, node.scope
        )
        graph.add(inner)
        inner.cls.expand(graph, inner)  # type: ignore[attr-defined]
        node.refs["unit"] = Key(inner.key)
        node.deps.append(inner.key)

    def forward(
        self,
        *,
        unit: Any,
        mask: Tensor | None = None,
        masked_from: Any = None,
        in_spatial_dim: Dim | None = None,
        out_spatial_dim: Dim | None = None,
    ) -> Output:
        found = self.given(self.node.refs["unit"])
        inside = {name: self.given(key) for name, key in self.node.refs.get("subs", {}).items()}
        found = dataclasses.replace(found, subs={**found.subs, **inside})
        if mask is None or not self.run.single_step or mask.time_axis is not None:
            return found
        held = {"output": self._held(mask, "output", found.tensor)}
        held |= {f"sub:{name}": self._held(mask, f"sub:{name}", out.tensor) for name, out in inside.items()}
        subs = {**found.subs, **{name: Output(held[f"sub:{name}"]) for name in inside}}
        return Output(held["output"], subs=subs, state=held)

    def _held(self, mask: Tensor, name: str, x: Tensor) -> Tensor:
        before = kept(self, name)
        return hold(self, mask, x, x.like(jnp.zeros(x.shape, x.dtype)) if before is None else before)

    @classmethod
    def sub_layer(cls, graph: Graph, node: Node, name: str) -> str | None:
        level = graph.levels.get(f"{node.key}/{UNIT}/")
        if level is None:
            return None
        inside = graph.resolve(level, name, node.key, "unit")
        node.deps.append(inside)
        node.refs.setdefault("subs", {})[name] = Key(inside)
        return graph._sub_layer(node, name)

    def first_state(self, form: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        found = {}
        for name, x in form.items():
            key = self.node.refs["subs"][name[len("sub:") :]] if name != "output" else self.node.refs["unit"]
            value = self.run.graph.nodes[key].get("initial_output", self.node.get("initial_output"))
            number = (
                {"zeros": 0, "ones": 1, None: 0}.get(value, value) if isinstance(value, (str, type(None))) else value
            )
            found[name] = x.like(jnp.full(x.shape, number, x.dtype)) if isinstance(number, (int, float)) else x
        return found


def hold(layer: Layer, mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` where the mask says so, and `old` elsewhere.

    Raises:
      OptionError: the mask is no truth value for each sequence.
    """
    if mask.dtype != jnp.bool_ or not all(new.has(d) for d in mask.dims):
        raise layer.error("mask", layer.node.get("mask"), f"a truth value for each sequence is needed, not {mask!r}")
    return new.like(jnp.where(ops.aligned(mask, new.dims), new.data, ops.aligned(old, new.dims)))


@layer("masked_frames")
class MaskedFrames(Layer):
    """The frames of the input that a mask selects, side by side, time first.

    Input [B, T, …], `mask` [B, T], output [T', B, …].
    """

    def forward(self, sources: Sequence[Tensor], *, mask: Tensor, time: Any, in_spatial_dim: Any = None) -> Tensor:
        (x,) = sources
        if self.run.single_step and mask.time_axis is None:
            return x  # a step is computed in any case, and what it gives is taken where the mask says so
        if mask.dtype != jnp.bool_ or mask.ndim != 2 or mask.batch_axis is None:
            raise self.error("mask", self.node.get("mask"), f"a truth value for each frame is needed, not {mask!r}")
        mask = mask.batch_first()
        dim = mask.dims[1] if in_spatial_dim is None else x.dims[self.axis(x, in_spatial_dim)]
        if not x.has(dim):
            return x
        keep = ops.masked(mask, mask.dims[1], False).data
        order, counts = packed(jnp.broadcast_to(jnp.arange(keep.shape[1]), keep.shape), keep)
        out = dynamic(self, "masked", Tensor(counts, (mask.dims[0],)), time, most=keep.shape[1])
        n = sizes.current().padded(out)
        order = jnp.pad(order, ((0, 0), (0, max(0, n - order.shape[1]))))[:, :n]
        y = x.move_axis(x.axis(dim), 0).batch_first()
        data = jnp.take_along_axis(y.data, order.reshape(*order.shape, *[1] * (y.ndim - 2)), axis=1)
        inside = (jnp.arange(n) < counts[:, None]).reshape(*order.shape, *[1] * (y.ndim - 2))
        data = jnp.where(inside, data, jnp.zeros((), x.dtype))
        found = Tensor(data, (y.dims[0], out, *y.dims[2:]), x.sparse_dim)
        return found.move_axis(1, 0)


@layer("unmask")
class Unmask(Layer):
    """The inverse of `masked_computation`: frames that were left out repeat what came last before them.

    Inputs [B, T', …] and `mask` [B, T], output [B, T, …].
    """

    stepwise = True

    @property
    def over_all_steps(self) -> bool:
        return True

    def forward(self, sources: Sequence[Tensor], *, mask: Tensor, skip_initial: bool = True) -> Tensor:
        (x,) = sources
        if self.run.single_step and mask.time_axis is None and x.time_axis is None:
            return x  # in a loop, what is masked repeats its last output by itself
        if mask.time_dim is None or mask.dtype != jnp.bool_ or x.time_axis is None:
            raise self.error("mask", self.node.get("mask"), f"a truth value for each frame is needed, not {mask!r}")
        if x.has(mask.time_dim):
            return x.move_axis(x.axis(mask.time_dim), 0)
        y = x.move_axis(x.time_axis, 0).batch_first()
        index = jnp.cumsum(mask.batch_first().data.astype(jnp.int32), axis=1)
        first = jnp.broadcast_to(jnp.asarray(self._initial(), x.dtype), (y.shape[0], 1, *y.shape[2:]))
        table = jnp.concatenate([first, y.data], axis=1)
        index = jnp.minimum(index, y.shape[1])
        data = jnp.take_along_axis(table, index.reshape(*index.shape, *[1] * (y.ndim - 2)), axis=1)
        found = Tensor(data, (y.dims[0], mask.time_dim, *y.dims[2:]), x.sparse_dim)
        return found.move_axis(1, 0)

    def _initial(self) -> Any:
        source = self.run.graph.nodes[self.node.sources[0]]
        value = source.get("initial_output")
        return {"zeros": 0, "ones": 1, None: 0}.get(value, value) if isinstance(value, (str, type(None))) else value
