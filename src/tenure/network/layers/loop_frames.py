"""Sequences as the steps of a loop see them, and what leaves a step as arrays."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import ops, sizes
from tenure.network.dims import Dim
from tenure.network.output import Output, is_tensor, map_tensors, tensors
from tenure.network.tensor import Tensor


class Whole:
    """The array of a sequence, of which `[0]` is the first frame."""

    def __init__(self, x: Tensor, time: Dim):
        self.data, self.axis = x.data, x.axis(time)
        self.shape = tuple(n for i, n in enumerate(x.shape) if i != self.axis)
        self.dtype = x.dtype

    def __getitem__(self, index: int) -> Any:
        if not self.data.shape[self.axis]:
            return jnp.zeros(self.shape, self.dtype)
        return jax.lax.index_in_dim(self.data, index, self.axis, keepdims=False)


def first_frame(x: Tensor) -> Tensor:
    """What the first step sees: the first frame of a whole sequence; another tensor as it is."""
    return x.like(x.data[0]) if isinstance(x.data, Whole) else x


def clean(x: Tensor, time: Dim) -> Tensor:
    """Zeros for frames beyond the end, so that whatever stands there reaches no gradient."""
    return ops.masked(x, time, 0) if jnp.issubdtype(x.dtype, jnp.floating) else x


def in_front(out: Output, time: Dim) -> list[Any]:
    """The arrays of an output that have a time axis, with that axis in front."""
    return [jnp.moveaxis(x.data, x.axis(time), 0) for x in tensors(out) if x.has(time)]


def filled(out: Output, frames: list[Any]) -> Output:
    """An output of one step whose tensors that come from sequences get their frames."""
    values = iter(frames)
    return map_tensors(lambda x: x.like(next(values)) if isinstance(x.data, Whole) else x, out)


def portable(out: Output) -> Output:
    """What of an output can leave a step: tensors, and no values of other kinds."""
    extra = out.extra if is_tensor(out.extra) else None
    state = {k: x for k, x in out.state.items() if is_tensor(x) and x.ndim <= out.tensor.ndim}
    subs = {k: portable(v) for k, v in out.subs.items()}
    return dataclasses.replace(out, extra=extra, subs=subs, state=state)


def arrays(out: Output) -> list[Any]:
    """The arrays of an output, in the order in which `refilled` takes them."""
    return [x.data for x in tensors(out)]


def refilled(like: Output, data: list[Any], resolve: Any) -> Output:
    """An output like another with other arrays, each put in by `resolve(tensor, array)`."""
    values = iter(data)
    return map_tensors(lambda x: resolve(x, next(values)), like)


def turned(x: Tensor, time: Dim) -> Tensor:
    """A sequence over that dim from its end to its start; another tensor as it is."""
    if not x.has(time):
        return x
    axis, lengths = x.axis(time), sizes.current().lengths(time)
    if lengths is None:
        return x.like(jnp.flip(x.data, axis))
    places = jnp.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    ends = ops.aligned(lengths, x.dims)
    index = jnp.where(places < ends, ends - 1 - places, places)
    return x.like(jnp.take_along_axis(x.data, index, axis=axis))
