"""Parts of arrays by strides, masks, lengths and positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.network import bounds
from tenure.network.tf.static import UnknownTensorFlowError, array, is_static, shape_of

Function = Callable[..., Any]


def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    name: str | None = None,
) -> jax.Array:
    """`x[begin:end:strides]` in each axis; of the masks, bit i is about axis i."""
    if ellipsis_mask or new_axis_mask:
        raise UnknownTensorFlowError("tf.strided_slice with 'ellipsis_mask' or 'new_axis_mask'", ways=["x[..., 0:3]"])
    starts, stops = shape_of(begin), shape_of(end)
    steps = (1,) * len(starts) if strides is None else shape_of(strides)
    places: list[Any] = []
    for i, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True)):
        bit = 1 << i
        cut = slice(None if begin_mask & bit else start, None if end_mask & bit else stop, step)
        places.append(start if shrink_axis_mask & bit else cut)
    return jnp.asarray(input_)[tuple(places)]


def reverse_sequence(
    input: Any, seq_lengths: Any, seq_axis: int = 1, batch_axis: int = 0, name: str | None = None, **old: Any
) -> jax.Array:
    """Each sequence backwards, up to its length; what is behind stays."""
    seq_axis, batch_axis = old.get("seq_dim", seq_axis), old.get("batch_dim", batch_axis)
    x = jnp.moveaxis(jnp.asarray(input), (batch_axis, seq_axis), (0, 1))
    lengths, places = jnp.asarray(seq_lengths)[:, None], jnp.arange(x.shape[1])
    index = jnp.where(places < lengths, lengths - 1 - places, places)
    found = jnp.take_along_axis(x, index.reshape(*index.shape, *[1] * (x.ndim - 2)), axis=1)
    return jnp.moveaxis(found, (0, 1), (batch_axis, seq_axis))


def boolean_mask(tensor: Any, mask: Any, name: str | None = None, axis: int = 0) -> jax.Array:
    """The entries where the mask is true, one after the other; the mask must be known.

    Raises:
      UnknownTensorFlowError: what the program computes says how many there are.
    """
    if not is_static(mask) and isinstance(mask, jax.core.Tracer):
        raise UnknownTensorFlowError(
            "tf.boolean_mask of a computed mask has no known size",
            ways=["tf.where(mask, x, 0)", "a layer {'class': 'boolean_mask', …} or 'masked_computation'"],
        )
    x, keep = jnp.asarray(tensor), np.asarray(mask)
    flat = x.reshape(*x.shape[:axis], -1, *x.shape[axis + keep.ndim :])
    return jnp.take(flat, np.flatnonzero(keep), axis=axis)


def band_part(input: Any, num_lower: int, num_upper: int, name: str | None = None) -> jax.Array:
    """Matrices with zeros beyond these numbers of diagonals below and above the main one; -1 for all."""
    x = jnp.asarray(input)
    below = jnp.arange(x.shape[-2])[:, None] - jnp.arange(x.shape[-1])
    keep = ((num_lower < 0) | (below <= num_lower)) & ((num_upper < 0) | (-below <= num_upper))
    return jnp.where(keep, x, jnp.zeros((), x.dtype))


def diag(diagonal: Any, name: str | None = None) -> jax.Array:
    """Matrices with these diagonals."""
    x = jnp.asarray(diagonal)
    n = x.shape[-1]
    bounds.elements((*x.shape, n))
    return jnp.where(jnp.eye(n, dtype=bool), x[..., None], jnp.zeros((), x.dtype))


def _at(kind: str) -> Function:
    def call(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> jax.Array:
        """The array with entries or slices at index vectors [..., K] changed."""
        place = jnp.asarray(tensor).at[tuple(jnp.moveaxis(jnp.asarray(indices), -1, 0))]
        found: jax.Array = getattr(place, kind)(array(updates))
        return found

    return call


def bincount(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None, dtype: Any = "int32", name: Any = None
) -> jax.Array:
    """How often each number from 0 on occurs, or the sums of its weights; of computed numbers, `maxlength` says how many there are."""
    x = jnp.asarray(arr).reshape(-1)
    if isinstance(x, jax.core.Tracer) and maxlength is None:
        raise UnknownTensorFlowError("tf.bincount of computed numbers has no known size", ways=["'maxlength': 10"])
    if maxlength is not None and isinstance(x, jax.core.Tracer):
        size = int(maxlength)
    else:
        size = max(int(minlength or 0), int(x.max(initial=-1)) + 1)
        size = size if maxlength is None else min(size, int(maxlength))
    bounds.elements((size,))
    of = jnp.ones(x.shape, dtype) if weights is None else jnp.asarray(weights).reshape(-1)
    return jnp.zeros(size, of.dtype).at[jnp.where(x < 0, size, x)].add(of, mode="drop")


def table() -> dict[str, Function]:
    """All of them by TensorFlow's name."""
    return {
        "bincount": bincount,
        "boolean_mask": boolean_mask,
        "ensure_shape": lambda x, shape, name=None: jnp.asarray(x),
        "matrix_band_part": band_part,
        "matrix_diag": diag,
        "reverse_sequence": reverse_sequence,
        "strided_slice": strided_slice,
        "tensor_scatter_nd_add": _at("add"),
        "tensor_scatter_nd_max": _at("max"),
        "tensor_scatter_nd_min": _at("min"),
        "tensor_scatter_nd_update": _at("set"),
    }
