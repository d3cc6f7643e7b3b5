"""What convolution and pooling share: which axes they slide over, and what becomes of their dims."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from tenure.core.run.naming import transparent
from tenure.network import layout, ops, sizes, versions
from tenure.network.dims import FEATURE, SPATIAL, Dim
from tenure.network.layer import Layer
from tenure.network.tensor import Tensor

Pair = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Window:
    """How a window of several axes slides.

    Attributes:
      sizes: of the window, for each axis.
      strides, dilations: likewise.
      padding: "SAME", "VALID" or "SAME_STATIC", or a number for each axis.
    """

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str | tuple[int, ...]


class Sliding(Layer):
    """What layers that slide a window over positions have in common."""

    @transparent
    def masks(self, asked: bool | None) -> bool:
        """Whether what is beyond a sequence's end is left out: as the dictionary says; if it is silent, it is."""
        return not self.takes_padding_in if asked is None else bool(asked)


def window(layer: Layer, sizes: Any, strides: Any, dilations: Any, padding: Any, option: str) -> Window:
    """Reads the options of a sliding window."""
    if isinstance(sizes, int):
        sizes = (sizes,)
    if not isinstance(sizes, (list, tuple)) or not 1 <= len(sizes) <= 3:
        raise layer.error(option, sizes, "a tuple of one to three sizes is needed", [f"'{option}': (3,)"])
    n = len(sizes)
    given: tuple[Any, ...] = tuple(s.root.size if isinstance(s, Dim) else s for s in sizes)
    if not all(isinstance(s, int) and s > 0 for s in given):
        raise layer.error(option, sizes, "each size must be a positive number")
    pad: Any = padding.upper() if isinstance(padding, str) else padding
    if isinstance(pad, int) and not isinstance(pad, bool):
        pad = (pad,) * n
    if isinstance(pad, (list, tuple)):
        pad = tuple(pad)
        if len(pad) != n or not all(isinstance(p, int) for p in pad):
            raise layer.error("padding", padding, f"{n} numbers are needed")
    elif pad not in ("SAME", "VALID", "SAME_STATIC"):
        raise layer.error("padding", padding, "'same', 'valid', 'same_static' or numbers are needed")
    return Window(given, _each(layer, "strides", strides, n), _each(layer, "dilation_rate", dilations, n), pad)


def _each(layer: Layer, option: str, value: Any, n: int) -> tuple[int, ...]:
    values = (value,) * n if isinstance(value, int) else value
    fits = isinstance(values, (list, tuple)) and len(values) == n
    if not fits or not all(isinstance(v, int) and v > 0 for v in values):
        raise layer.error(option, value, f"a positive number, or {n} of them, is needed")
    return tuple(values)


def arrange(layer: Layer, x: Tensor, n: int, spatial: Any) -> tuple[Tensor, int]:
    """Axes in the order batch, others, positions, features; and how many come before the positions.

    Args:
      layer: for errors.
      x: a tensor with a feature axis.
      n: how many axes the window has.
      spatial: the axes that it slides over, or None: all that are neither batch nor features.
    """
    if x.sparse or x.feature_axis is None:
        raise layer.error(
            "from", layer.node.get("from"), f"{x!r} has no feature axis", ["'input_add_feature_dim': True"]
        )
    if spatial is not None:
        described = spatial if isinstance(spatial, (list, tuple)) else [spatial]
        axes = [layer.axis(x, d) for d in described]
    else:
        axes = x.spatial_axes
        if len(axes) > 1 and versions.at_least(versions.SPATIAL_DIMS_OF_CONV_EXPLICIT):
            raise layer.error("in_spatial_dims", None, f"{x!r} has several; name those that are meant, in order")
    if len(axes) != n or len(set(axes)) != n or x.feature_axis in axes:
        raise layer.error(
            "in_spatial_dims", spatial, f"the window has {n} axes, and {x!r} has {[x.dims[a] for a in axes]} for them"
        )
    rest = [a for a in range(x.ndim) if a not in axes and a != x.feature_axis]
    rest.sort(key=lambda a: a != x.batch_axis)
    return x.transpose([*rest, *axes, x.feature_axis]), len(rest)


def masked(x: Tensor, first: int, n: int, fill: float) -> Tensor:
    """`fill` beyond the ends of sequences, in the axes that a window slides over."""
    for dim in x.dims[first : first + n]:
        x = ops.masked(x, dim, fill)
    return x


def paddings(w: Window, dims: Sequence[Dim], shape: Sequence[int]) -> list[Pair]:
    """What is added before and after, for each axis."""
    found = []
    for i, (dim, n) in enumerate(zip(dims, shape, strict=True)):
        size, stride, reach = w.sizes[i], w.strides[i], (w.sizes[i] - 1) * w.dilations[i]
        if w.padding == "VALID":
            found.append((0, 0))
        elif w.padding == "SAME":
            total = max((-(-n // stride) - 1) * stride + reach + 1 - n, 0)
            found.append((total // 2, total - total // 2))
        elif w.padding == "SAME_STATIC":
            found.append(_static(size, stride, n, dim))
        else:
            found.append((w.padding[i], w.padding[i]))  # type: ignore[arg-type]
    return found


def from_own_starts(x: Tensor, first: int, w: Window, pads: Sequence[Pair], fill: float) -> tuple[Tensor, list[Pair]]:
    """`x` with each sequence's own padding before it, where "SAME" with strides has one that depends on the length.

    What TensorFlow adds before a sequence depends on how long the longest one of the batch is. Here a sequence has in a batch
    the windows that it has alone.

    Args:
      x: the tensor, with `fill` beyond the ends of sequences.
      first: how many axes come before the positions.
      w: the window.
      pads: the padding of each axis of positions.
      fill: what is added.

    Returns:
      The tensor, and the padding that is left to do.
    """
    left = list(pads)
    for i in range(len(w.sizes)):
        dim, n = x.dims[first + i], x.shape[first + i]
        stride, span = w.strides[i], (w.sizes[i] - 1) * w.dilations[i] + 1
        most, least = (span - 1) // 2, max(span - stride, 0) // 2  # before a sequence, by its length's remainder
        if w.padding != "SAME" or most == least or not layout.ragged(dim):
            continue
        lengths = sizes.current().lengths(dim)
        if lengths is None or not set(lengths.dims) <= set(x.dims[:first]):
            continue
        needed = (-(-n // stride) - 1) * stride + span
        rest = lengths.data % stride
        starts = lengths.like(most - jnp.maximum(span - jnp.where(rest == 0, stride, rest), 0) // 2)
        index = ops.aligned(starts, (*x.dims[:first], dim)).astype(jnp.int32) + jnp.arange(needed)
        index = index.reshape(*index.shape, *[1] * (x.ndim - first - 1))
        index = jnp.moveaxis(index, first, first + i)
        room = sizes.lengthened(x.data, first + i, most, needed, fill)
        x = x.like(jnp.take_along_axis(room, index, axis=first + i))
        left[i] = (0, 0)
    return x, left


def _static(size: int, stride: int, n: int, dim: Dim) -> Pair:
    """Padding that does not depend on how long the batch's longest sequence is."""
    if dim.is_dynamic:
        left = (size - stride) // 2
        return left, size - 1 - left
    total = size - 1 - (n + stride - 1) % stride
    return total // 2, total - total // 2


def out_dims(layer: Layer, w: Window, dims: Sequence[Dim], given: Any) -> list[Dim]:
    """The dims that the window leaves of those that it slid over.

    Args:
      layer: for errors.
      w: the window.
      dims: before.
      given: `out_spatial_dims`, which are declared the same, or None.
    """
    if given is not None and len(given) != len(dims):
        raise layer.error("out_spatial_dims", given, f"{len(dims)} dims are needed")
    found = []
    for i, dim in enumerate(dims):
        new = _out_dim(w, i, dim)
        if given is not None:
            new.declare_same_as(given[i])
            new = given[i]
        elif new is not dim:
            new = new.copy(name=f"{layer.node.name}:conv:s{i}")
        found.append(new)
    return found


def _out_dim(w: Window, i: int, dim: Dim) -> Dim:
    reach, stride = (w.sizes[i] - 1) * w.dilations[i], w.strides[i]
    if w.padding in ("SAME", "SAME_STATIC"):
        return dim.ceildiv(stride)
    if isinstance(w.padding, tuple) and w.padding[i]:
        dim = w.padding[i] + dim + w.padding[i]
    left = reach // 2
    if left:
        dim = dim.sub_left(left)
    if reach - left:
        dim = dim - (reach - left)
    return dim.ceildiv(stride)


def merged_batch(x: Tensor, first: int) -> Any:
    """The array with all axes before the positions as one."""
    return x.data.reshape((math.prod(x.shape[:first]), *x.shape[first:]))


def rebuilt(x: Tensor, data: Any, first: int, positions: Sequence[Dim], feature: Dim) -> Tensor:
    """The tensor that a window's result is: the axes before the positions are there again."""
    dims = (*x.dims[:first], *positions, feature)
    data = data.reshape((*x.shape[:first], *data.shape[1:]))
    return Tensor(data, dims, time_axis=x.time_axis, feature_axis=len(dims) - 1)


def expanded(
    layer: Layer, x: Tensor, spatial: Any, expand: int, add_feature: bool, split_feature: int | None
) -> tuple[Tensor, Any]:
    """The input with the axes that options ask for, and the axes to slide over then."""
    if not (expand or add_feature or split_feature):
        return x, spatial
    dims = list(spatial) if spatial is not None else [x.dims[a] for a in x.spatial_axes]
    for i in range(int(expand)):
        dim = layer.new_dim(f"input_expand_dims:{i}", 1, SPATIAL)
        x = _added(x, dim, x.ndim if x.feature_axis is None else x.feature_axis)
        dims.append(dim)
    if split_feature:
        axis, old = x.feature_axis, x.feature_dim
        if axis is None or old is None or old.root.size is None or old.root.size % split_feature:
            raise layer.error("input_split_feature_dim", split_feature, f"the features of {x!r} cannot be split so")
        left = layer.new_dim("split-feature", old.root.size // split_feature, SPATIAL)
        right = layer.new_dim("split-feature-rest", split_feature, FEATURE)
        shape = (*x.shape[:axis], left.size, split_feature, *x.shape[axis + 1 :])
        new = (*x.dims[:axis], left, right, *x.dims[axis + 1 :])
        x = Tensor(x.data.reshape(shape), new, time_axis=x.time_axis, feature_axis=axis + 1)
        dims.append(left)
    if add_feature:
        if x.feature_dim is not None:
            dims.append(x.feature_dim)
        one = layer.new_dim("input_add_feature", 1, FEATURE)
        x = _added(x, one, x.ndim).as_feature(one)
    return x, dims


def _added(x: Tensor, dim: Dim, at: int) -> Tensor:
    time, feature = (a if a is None or a < at else a + 1 for a in (x.time_axis, x.feature_axis))
    return Tensor(jnp.expand_dims(x.data, at), (*x.dims[:at], dim, *x.dims[at:]), x.sparse_dim, time, feature)
