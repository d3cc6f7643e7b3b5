"""Layers without inputs: constants, variables; and lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from tenure.network import sizes
from tenure.network.bounds import MAX_OUTPUT
from tenure.network.dims import FEATURE, SPATIAL, Dim, batch_dim
from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("constant")
class Constant(Layer):
    """The same value everywhere.

    No input, output [*shape], or [B, *shape] with `with_batch_dim`.
    """

    def forward(
        self,
        sources: Sequence[Tensor] = (),
        *,
        value: Any = 0.0,
        shape: Any = None,
        dtype: Any = None,
        with_batch_dim: bool = False,
        sparse_dim: Any = None,
        feature_dim: Any = None,
        shape_deps: Tensor | None = None,
    ) -> Tensor:
        if sources:
            raise self.error("from", self.node.get("from"), "a constant has no inputs")
        dims = list(template_dims(self, value, shape, with_batch_dim, feature_dim))
        kind = np.dtype(dtype) if dtype else _dtype(value)
        known = sizes.current()
        sizes_ = tuple(known.padded(d) for d in dims)
        array = jnp.asarray(np.asarray(value), kind)
        own = [i for i, d in enumerate(dims) if not d.is_batch] if array.ndim else []
        data = jnp.broadcast_to(array.reshape([sizes_[i] if i in own else 1 for i in range(len(dims))]), sizes_)
        if sparse_dim is not None and not isinstance(sparse_dim, Dim):
            sparse_dim = self.new_dim("sparse", int(sparse_dim), FEATURE)
        out = Tensor(data, tuple(dims), sparse_dim)
        return out.as_feature(feature_dim) if isinstance(feature_dim, Dim) else out


def _dtype(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype
    if isinstance(value, (bool, np.bool_)):
        return np.dtype("bool")
    return np.dtype("int32") if isinstance(value, int) else np.dtype("float32")


def template_dims(layer: Layer, value: Any, shape: Any, with_batch: bool, feature: Any = None) -> list[Dim]:
    """The dims of a constant or variable: from `shape`, numbers or dims, or those of an array."""
    if isinstance(shape, Dim):
        shape = [shape]
    if shape is None and isinstance(value, np.ndarray):
        shape = list(value.shape)
    if shape is not None and not isinstance(shape, (list, tuple, set, frozenset)):
        raise layer.error("shape", shape, "a list of sizes or dims is needed")
    dims: list[Dim] = []
    wanted = list(shape or ())
    for i, d in enumerate(wanted):
        if isinstance(d, Dim):
            dims.append(d)
        elif isinstance(d, bool) or not isinstance(d, (int, np.integer)) or d < 0:
            raise layer.error("shape", shape, "each must be a size or a dim")
        else:
            last = i == len(wanted) - 1
            dims.append(layer.new_dim(f"static-dim{i}", int(d), FEATURE if last and feature is None else SPATIAL))
    if math.prod(d.root.size or 1 for d in dims) > MAX_OUTPUT:
        raise layer.error("shape", shape, "an array of absurd size")
    if with_batch and not any(d.is_batch for d in dims):
        dims.insert(0, batch_dim())
    return dims


@layer("length")
class Length(Layer):
    """How long an axis is, for each sequence.

    Input [B, T, …], output [B], or [B, 1] with `add_time_axis`, or a scalar where all sequences are equally long.
    """

    def forward(
        self,
        sources: list[Tensor],
        *,
        axis: Any = "T",
        add_time_axis: bool = False,
        dtype: str = "int32",
        sparse: bool = False,
    ) -> Tensor | Output:
        known = sizes.current()
        if isinstance(axis, Dim):
            dim = next((d for x in sources for d in x.dims if d == axis), axis)
        else:
            if len(sources) != 1:
                raise self.error("from", self.node.get("from"), "one input is needed")
            x = sources[0]
            dim = x.sparse_dim if axis == "sparse_dim" else x.dims[self.axis(x, axis)]  # type: ignore[assignment]
        lengths = known.lengths(dim)
        sparse_dim = self.new_dim("length-sparse", None, FEATURE) if sparse else None
        if lengths is None:
            n = known.padded(dim)
            batch = sources[0].batch_dim if sources else None
            if dim.is_dynamic and batch is not None:
                return Tensor(jnp.full((known.padded(batch),), n, dtype), (batch,), sparse_dim)
            return Output(Tensor(jnp.asarray(n, dtype), (), sparse_dim), extra=dim)
        if add_time_axis:
            time = self.new_dim("dummy-time", 1, SPATIAL)
            return Tensor(lengths.data[:, None].astype(dtype), (*lengths.dims, time), sparse_dim, time_axis=1)
        return lengths  # whatever the dictionary says of its dtype
