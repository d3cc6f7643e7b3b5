"""Over axes: sums, extrema, searches and running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.network import bounds
from tenure.network.tf.static import adapt, array, dtype_of, either, is_static, on_jax, shape_of

Function = Callable[..., Any]
_XA = ("x", "axis", "keepdims")


def _arg(name: str) -> Function:
    find = either(name, order=("x", "axis"))

    def call(*args: Any, output_type: Any = "int32", **keywords: Any) -> Any:
        args, keywords = adapt(args, keywords, ("x", "axis"))
        axis = keywords.get("axis")
        axis = 0 if axis is None else axis  # TensorFlow's default is the first axis, not all
        return array(find(args[0], axis=axis)).astype(dtype_of(output_type))

    return call


def _running(function: Function, start: float) -> Function:
    def call(
        x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
    ) -> jax.Array:
        x, axis = jnp.asarray(x), axis % jnp.ndim(x)
        x = jnp.flip(x, axis) if reverse else x
        if exclusive:
            one = jnp.full_like(jax.lax.slice_in_dim(x, 0, 1, axis=axis), start)
            x = jnp.concatenate([one, jax.lax.slice_in_dim(x, 0, x.shape[axis] - 1, axis=axis)], axis)
        y = function(x, axis=axis).astype(x.dtype)
        return jnp.flip(y, axis) if reverse else y

    return call


def top_k(input: Any, k: int = 1, sorted: bool = True, name: str | None = None) -> tuple[jax.Array, jax.Array]:
    """The `k` largest along the last axis, and where they are; all of them in this order, where `k` is not known before."""
    input = jnp.asarray(input)
    count = input.shape[-1] if isinstance(k, jax.core.Tracer) else int(k)
    values, indices = jax.lax.top_k(input, count)
    return values, indices


def _ordered(function: Function) -> Function:
    def call(*args: Any, **keywords: Any) -> jax.Array:
        def ordered(x: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False) -> jax.Array:
            return function(jnp.asarray(x), axis=axis, descending=direction.upper() == "DESCENDING")

        args, keywords = adapt(args, keywords, ("x", "axis", "direction", "stable"))
        return ordered(*args, **keywords)

    return call


def _segments(function: Function, sorted_ids: bool) -> Function:
    def call(data: Any, segment_ids: Any, num_segments: Any = None, name: str | None = None) -> jax.Array:
        """What a segment has none of is 0; without a number of segments there are as many as could be, in a compiled program."""
        known = is_static(segment_ids)
        data, ids = jnp.asarray(data), jnp.asarray(segment_ids)
        if num_segments is not None:
            (count,) = shape_of(num_segments)
        elif known:
            count = int(np.max(segment_ids, initial=-1)) + 1
        elif isinstance(ids, jax.core.Tracer):
            count = len(data)
        else:
            count = int(ids.max(initial=-1)) + 1
        bounds.elements((count, *data.shape[1:]))
        found = function(data, ids, count, indices_are_sorted=sorted_ids)
        some = jax.ops.segment_sum(jnp.ones(ids.shape), ids, count) > 0
        return jnp.where(some.reshape(-1, *[1] * (found.ndim - 1)), found, jnp.zeros((), found.dtype))

    return call


def _mean_of_segments(data: Any, ids: Any, count: int, **how: Any) -> jax.Array:
    total = jax.ops.segment_sum(data, ids, count, **how)
    number = jax.ops.segment_sum(jnp.ones(ids.shape, total.dtype), ids, count, **how)
    return total / jnp.maximum(number, 1).reshape(-1, *[1] * (total.ndim - 1))


_SEGMENTS: dict[str, Function] = {
    "max": jax.ops.segment_max,
    "mean": _mean_of_segments,
    "min": jax.ops.segment_min,
    "prod": jax.ops.segment_prod,
    "sum": jax.ops.segment_sum,
}


def moments(x: Any, axes: Any, shift: Any = None, name: str | None = None, keepdims: bool = False, **old: Any) -> Any:
    """Mean and variance over axes."""
    axis = tuple(axes) if isinstance(axes, list | tuple) else axes
    keepdims = old.get("keep_dims", keepdims)
    return jnp.mean(x, axis, keepdims=keepdims), jnp.var(x, axis, keepdims=keepdims)


def _mean(x: Any, axis: Any = None, keepdims: bool = False) -> jax.Array:
    """The mean; of integers rounded towards zero, in their dtype, as TensorFlow does."""
    x = jnp.asarray(x)
    if jnp.issubdtype(x.dtype, jnp.integer):
        total = jnp.sum(x, axis, keepdims=keepdims)
        return jax.lax.div(total, jnp.full_like(total, x.size // max(total.size, 1)))
    return jnp.mean(x, axis, keepdims=keepdims)


def table() -> dict[str, Function]:
    """All of them by TensorFlow's name."""
    found: dict[str, Function] = {
        f"reduce_{name}": either(name, order=_XA) for name in ("sum", "prod", "max", "min", "any", "all", "std")
    }
    found.update({f"segment_{name}": _segments(function, True) for name, function in _SEGMENTS.items()})
    found.update({f"unsorted_segment_{name}": _segments(function, False) for name, function in _SEGMENTS.items()})
    found.update(
        add_n=lambda inputs, name=None: sum(inputs[1:], inputs[0]),
        argmax=_arg("argmax"),
        argmin=_arg("argmin"),
        argsort=_ordered(jnp.argsort),
        count_nonzero=on_jax(jnp.count_nonzero, _XA),
        cumprod=_running(jnp.cumprod, 1),
        cumsum=_running(jnp.cumsum, 0),
        cumulative_logsumexp=_running(jax.lax.cumlogsumexp, -jnp.inf),
        moments=moments,
        reduce_logsumexp=on_jax(jax.scipy.special.logsumexp, _XA),
        reduce_mean=on_jax(_mean, _XA),
        reduce_variance=either("var", order=_XA),
        searchsorted=on_jax(lambda x, y, side="left": jnp.searchsorted(x, y, side=side), ("sorted_sequence", "values")),
        sort=_ordered(jnp.sort),
        top_k=top_k,
    )
    return found
