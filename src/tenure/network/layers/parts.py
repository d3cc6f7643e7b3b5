"""Layers that take tensors apart along an axis, and put them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.export import is_symbolic_dim

from tenure.network import activations, layout, ops, sizes, versions
from tenure.network.dims import Dim
from tenure.network.errors import option_error
from tenure.network.graph import Graph, Node
from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("concat")
class Concat(Layer):
    """Inputs one after the other, each along an axis of its own: `from` is a list of (layer, axis).

    Each sequence's entries follow those of the input before; with `padding="legacy"`, its padding is in between.

    Inputs [B, T1, …], [B, T2, …], output [B, T1 + T2, …].
    """

    @classmethod
    def expand(cls, graph: Graph, node: Node) -> None:
        pairs = node.get("from")
        if not isinstance(pairs, (list, tuple)) or not all(isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs):
            raise option_error(node.key, "concat", "from", pairs, "a list of (layer, axis) is needed", ["[('a', 'T')]"])
        node.options["from"] = [p[0] for p in pairs]
        node.options["_axes"] = [p[1] for p in pairs]

    def forward(self, sources: Sequence[Tensor], *, allow_broadcast: bool = False) -> Tensor:
        ops.same_dtype(sources)
        axes = [self.axis(x, axis) for x, axis in zip(sources, self.node.get("_axes"), strict=True)]
        dims = [x.dims[a] for x, a in zip(sources, axes, strict=True)]
        total = dims[0]
        for dim in dims[1:]:
            total = total + dim
        given = self.node.get("out_dim")
        if given is not None:
            total.declare_same_as(given)
            total = given
        templates = [x.replace_dim(a, total) for x, a in zip(sources, axes, strict=True)]
        frame = ops.common([t.like(None) for t in templates], broadcast_all=True)
        at = frame.axis(total)
        if not allow_broadcast and any(t.ndim != frame.ndim for t in templates):
            raise self.error(
                "from", self.node.get("from"), "the inputs have not the same axes", ["'allow_broadcast': True"]
            )
        parts = [ops.aligned(x, frame.replace_dim(at, dim).dims) for x, dim in zip(sources, dims, strict=True)]
        if self.takes_padding_in:
            return frame.like(ops.join(parts, at))
        return frame.like(layout.joined(parts, dims, frame.dims, at))


@layer("split")
class Split(Layer):
    """Parts of an axis, as the sub-layers `/0`, `/1` …; the output is the input.

    Input [B, …, n, …], sub-layers [B, …, n_i, …].
    """

    def forward(
        self,
        source: Tensor,
        *,
        axis: Any = "F",
        num_splits: int | None = None,
        size_splits: Any = None,
        out_dims: Any = None,
    ) -> Output:
        at = self.axis(source, axis, allow_int=False)
        dims = self._dims(source, at, num_splits, size_splits, out_dims)
        subs, start = {}, 0
        for i, dim in enumerate(dims):
            n = dim.root.size or 0
            part = jax.lax.slice_in_dim(source.data, start, start + n, axis=at)
            subs[str(i)] = Output(source.replace_dim(at, dim).like(part))
            start += n
        return Output(source, subs=subs)

    def _dims(self, x: Tensor, at: int, number: Any, given: Any, out_dims: Any) -> list[Dim]:
        size = x.dims[at].root.size
        if size is None:
            raise self.error("axis", self.node.get("axis"), f"{x.dims[at]!r} has no fixed size")
        if number:
            if size % number:
                raise self.error("num_splits", number, f"the size {size} of {x.dims[at]!r} cannot be divided by it")
            given = [size // number] * number
        if given is not None:
            option, parts = "size_splits", list(given)
        elif out_dims is not None:
            option, parts = "out_dims", [d.root.size for d in out_dims]
        else:
            raise self.error("num_splits", number, "'num_splits', 'size_splits' or 'out_dims' is needed")
        if sum(parts) != size:
            raise self.error(option, self.node.get(option), f"the parts are not {size} together")
        if out_dims is not None:
            return list(out_dims)
        return [self.new_dim(f"split{i}", n, x.dims[at].kind) for i, n in enumerate(parts)]


@layer("slice")
class Slice(Layer):
    """`x[start:end:step]` along an axis. With an `end` of at least 0 the size is fixed: zeros follow shorter sequences.

    Input [B, …, n, …], output [B, …, (end - start) / step, …].
    """

    def forward(
        self,
        source: Tensor,
        *,
        axis: Any,
        slice_start: int | None = None,
        slice_end: int | None = None,
        slice_step: int | None = None,
    ) -> Tensor:
        at = self.axis(source, axis)
        dim = source.dims[at]
        out = dim
        if slice_start:
            if slice_start < 0:
                raise self.error("slice_start", slice_start, "it counts from the start, so it is not negative")
            out = out.sub_left(slice_start)
        if slice_end is not None and slice_end >= 0:
            n = slice_end if is_symbolic_dim(source.shape[at]) else min(slice_end, source.shape[at])
            out = self.new_dim("slice-end", max(0, n - (slice_start or 0)), dim.kind)
        elif slice_end is not None:
            out = out - -slice_end
        if slice_step and slice_step != 1:
            out = out.ceildiv(abs(slice_step))
        given = self.node.get("out_dim")
        if given is not None:
            out.declare_same_as(given)
            out = given
        x = source
        if slice_step and slice_step < 0 and layout.ragged(dim) and not self.takes_padding_in:
            if slice_start or slice_end is not None:
                raise self.error("slice_step", slice_step, "backwards, sequences are gone through as a whole only")
            x, slice_step = layout.turned(x, at), -slice_step
        elif slice_end is not None and slice_end >= 0:
            x = self.beyond(x, [at], 0)
            if is_symbolic_dim(x.shape[at]):  # which may be shorter
                x = x.like(sizes.lengthened(x.data, at, 0, slice_end))
        index = [slice(None)] * x.ndim
        index[at] = slice(slice_start, slice_end, slice_step)
        return x.replace_dim(at, out).like(x.data[tuple(index)])


@layer("pad")
class Pad(Layer):
    """Entries added before and after along axes.

    Input [B, …, n, …], output [B, …, left + n + right, …].
    """

    def forward(
        self,
        source: Tensor,
        *,
        axes: Any,
        padding: Any,
        out_dims: Any = None,
        handle_dynamic_dims: bool | None = None,
        value: Tensor = 0,  # type: ignore[assignment]
        mode: str = "constant",
    ) -> Tensor:
        found = [self.axis(source, a) for a in axes] if isinstance(axes, (list, tuple)) else [self.axis(source, axes)]
        pairs = self._pairs(padding, len(found))
        if out_dims is not None and isinstance(out_dims, Dim):
            out_dims = [out_dims]
        kinds = {
            "constant": "constant",
            "reflect": "reflect",
            "symmetric": "symmetric",
            "replication": "edge",
            "circular": "wrap",
        }
        if str(mode).lower() not in kinds:
            raise self.error("mode", mode, "there is no such mode", [", ".join(kinds)])
        kind = kinds[str(mode).lower()]
        dynamic = handle_dynamic_dims
        if dynamic is None:
            dynamic = versions.at_least(versions.PAD_DYNAMIC) or not self.takes_padding_in
        fill = value.data if isinstance(value, Tensor) else self.entry("value", value, source.dtype)
        x = source
        for i, (at, (left, right)) in enumerate(zip(found, pairs, strict=True)):
            dim = x.dims[at]
            out = left + dim + right
            if out_dims is not None:
                out.declare_same_as(out_dims[i])
                out = out_dims[i]
            x = self._padded(x, at, (_number(left), _number(right)), out, kind, fill, dynamic)
        return x

    def _padded(
        self, x: Tensor, at: int, pair: tuple[int, int], out: Dim, kind: str, fill: Any, dynamic: bool
    ) -> Tensor:
        widths = [pair if i == at else (0, 0) for i in range(x.ndim)]
        more = {"constant_values": fill} if kind == "constant" else {}
        dim = x.dims[at]
        lengths = sizes.current().lengths(dim)
        own = dynamic and lengths is not None and kind != "constant" and not self.takes_padding_in
        data = x.data if own else jnp.pad(x.data, widths, mode=kind, **more)
        if own:
            data = layout.extended(x, at, *pair, kind)
        elif dynamic and lengths is not None and pair[1]:
            if kind == "constant":
                ends = layout.ends(dim, x.dims) + pair[0]
                inside = layout.positions(data.shape[at], at, x.ndim) < ends
                data = jnp.where(inside, data, jnp.asarray(fill, data.dtype))
            else:
                raise self.error("mode", self.node.get("mode"), f"{dim!r} is dynamic, for which RETURNN has 'constant'")
        return x.replace_dim(at, out).like(data)

    def _pairs(self, padding: Any, n: int) -> list[tuple[Any, Any]]:
        if not isinstance(padding, (list, tuple)):
            padding = (padding, padding)
        if not isinstance(padding[0], (list, tuple)):
            padding = [padding] * n
        fits = len(padding) == n and all(isinstance(p, (list, tuple)) and len(p) == 2 for p in padding)
        if not fits or not all(isinstance(p, (int, Dim)) for pair in padding for p in pair):
            raise self.error("padding", self.node.get("padding"), f"{n} pairs of numbers are needed")
        return [(a, b) for a, b in padding]


def _number(value: Any) -> int:
    return sizes.current().padded(value) if isinstance(value, Dim) else int(value)


@layer("gating")
class Gating(Layer):
    """`activation(a) * gate_activation(b)` of the two halves of the features, or of two inputs.

    Input [B, …, 2 F], or two of [B, …, F], output [B, …, F].
    Source: Dauphin et al. 2016, "gated linear units", https://arxiv.org/abs/1612.08083.
    """

    def forward(self, sources: Sequence[Tensor], *, activation: Any, gate_activation: Any = "sigmoid") -> Tensor:
        x = self.source()
        axis, dim = x.feature_axis, x.feature_dim
        if axis is None or dim is None or dim.root.size is None or dim.root.size % 2:
            raise self.error("from", self.node.get("from"), f"the features of {x!r} are no two halves")
        a, b = jnp.split(x.data, 2, axis)
        half = dim // 2
        if self.node.get("out_dim") is not None:
            half.declare_same_as(self.node.get("out_dim"))
        y = x.replace_dim(axis, half)
        first, gate = (activations.apply(self, y.like(v), f).tensor for v, f in ((a, activation), (b, gate_activation)))
        return y.like(first.data * gate.data)
