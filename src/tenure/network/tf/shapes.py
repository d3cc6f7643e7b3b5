"""Making, joining, cutting and moving arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.export import is_symbolic_dim

from tenure.core.errors import brief
from tenure.network import bounds
from tenure.network.array_methods import Known
from tenure.network.tf.static import UnknownTensorFlowError, array, dtype_of, either, is_static, on_jax, plain, shape_of
from tenure.network.tf.words import Words

Function = Callable[..., Any]


def shape(input: Any, name: str | None = None, out_type: Any = None) -> np.ndarray:
    """The shape, as known numbers."""
    return np.asarray(np.shape(input), np.int32)


def filled(shape: Any, value: Any, dtype: Any) -> jax.Array:
    """An array of one value, unless it were absurdly large."""
    sizes = shape_of(shape)
    if any(size < 0 for size in sizes if isinstance(size, int)):
        raise UnknownTensorFlowError(f"an array of the absurd shape {brief(sizes)}")
    bounds.elements(sizes)
    return jnp.full(sizes, value, dtype)


def zeros(shape: Any, dtype: Any = "float32", name: str | None = None) -> jax.Array:
    """Zeros of a shape."""
    return filled(shape, 0, dtype_of(dtype))


def ones(shape: Any, dtype: Any = "float32", name: str | None = None) -> jax.Array:
    """Ones of a shape."""
    return filled(shape, 1, dtype_of(dtype))


def fill(dims: Any, value: Any, name: str | None = None) -> jax.Array:
    """A value in a shape."""
    return filled(dims, value, None)


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """A value as an array, repeated to fill a shape if one is given; a whole number alone stays known; texts as words."""
    if isinstance(value, str | bytes):
        return Words.of(value)
    if shape is None and isinstance(value, (bool, int, np.bool_, np.integer)):
        kind = bool if isinstance(value, (bool, np.bool_)) else int
        return Known.of(value, dtype_of(kind if dtype is None else dtype))
    found = jnp.asarray(value, None if dtype is None else dtype_of(dtype))
    return found if shape is None else jnp.broadcast_to(found, shape_of(shape))


def reshape(tensor: Any, shape: Any, name: str | None = None) -> Any:
    """`tensor` in another shape, where one size may be -1."""
    on = np if is_static(tensor) else jnp
    return on.reshape(tensor, shape_of(shape))


def transpose(a: Any, perm: Any = None, conjugate: bool = False, name: str | None = None) -> jax.Array:
    """The axes in another order, by default reversed."""
    a = jnp.transpose(jnp.asarray(a), None if perm is None else shape_of(perm))
    return jnp.conj(a) if conjugate else a


def concat(values: Sequence[Any], axis: int, name: str | None = None) -> Any:
    """Several arrays one after the other along an axis."""
    return (
        np.concatenate(values, axis) if is_static(values) else jnp.concatenate([jnp.asarray(v) for v in values], axis)
    )


def stack(values: Sequence[Any], axis: int = 0, name: str | None = None) -> Any:
    """Several arrays along a new axis."""
    return np.stack(values, axis) if is_static(values) else jnp.stack([jnp.asarray(v) for v in values], axis)


def unstack(value: Any, num: int | None = None, axis: int = 0, name: str | None = None) -> list[Any]:
    """The parts along an axis, without it."""
    return list(np.moveaxis(value, axis, 0)) if is_static(value) else list(jnp.unstack(value, axis=axis))


def split(value: Any, num_or_size_splits: Any, axis: int = 0, num: int | None = None, name: str | None = None) -> Any:
    """Equal parts, or parts of these sizes, along an axis."""
    value = jnp.asarray(value)
    if isinstance(num_or_size_splits, int):
        return jnp.split(value, num_or_size_splits, axis)
    sizes = np.asarray(shape_of(num_or_size_splits))
    sizes[sizes == -1] = value.shape[axis] - sizes[sizes != -1].sum()
    return jnp.split(value, np.cumsum(sizes)[:-1].tolist(), axis)


def expand_dims(input: Any, axis: int | None = None, name: str | None = None, dim: int = 0) -> Any:
    """A new axis of size 1."""
    return jnp.expand_dims(array(input), dim if axis is None else axis)


def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> jax.Array:
    """Without these axes of size 1, or without all of them."""
    axis = squeeze_dims if axis is None else axis
    return jnp.squeeze(jnp.asarray(input), None if axis is None else shape_of(axis))


def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0, name: str | None = None
) -> jax.Array:
    """With values before and after, along each axis."""
    widths = [tuple(shape_of(pair)) for pair in paddings]
    if mode.upper() == "CONSTANT":
        return jnp.pad(tensor, widths, constant_values=constant_values)
    return jnp.pad(tensor, widths, mode={"REFLECT": "reflect", "SYMMETRIC": "symmetric"}[mode.upper()])


def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    axis: int | None = None,
    batch_dims: int = 0,
    name: Any = None,
) -> Any:
    """Slices of an axis at `indices`, row by row for the first `batch_dims` axes."""
    if isinstance(params, Words):
        return params.map(lambda array: gather(array, indices, None, axis, batch_dims))
    params, indices = jnp.asarray(params), jnp.asarray(indices)
    batch_dims = batch_dims + indices.ndim if batch_dims < 0 else batch_dims
    axis = batch_dims if axis is None else axis % params.ndim
    take = lambda p, i: jnp.take(p, i, axis=axis - batch_dims, mode="clip")  # noqa: E731
    for _ in range(batch_dims):
        take = jax.vmap(take)
    return take(params, indices)


def gather_nd(params: Any, indices: Any, batch_dims: int = 0, name: str | None = None) -> jax.Array:
    """The entries, or slices, at index vectors [..., K]."""
    take = lambda p, i: p[tuple(jnp.moveaxis(i, -1, 0))]  # noqa: E731
    for _ in range(batch_dims):
        take = jax.vmap(take)
    return take(jnp.asarray(params), jnp.asarray(indices))


def scatter_nd(indices: Any, updates: Any, shape: Any, name: str | None = None) -> jax.Array:
    """Zeros of a shape, with `updates` added at index vectors."""
    start = jnp.zeros(shape_of(shape), jnp.asarray(updates).dtype)
    return start.at[tuple(jnp.moveaxis(jnp.asarray(indices), -1, 0))].add(updates)


def one_hot(
    indices: Any,
    depth: int,
    on_value: Any = 1.0,
    off_value: Any = 0.0,
    axis: int = -1,
    dtype: Any = "float32",
    name: Any = None,
) -> Any:
    """`on_value` at the index, `off_value` elsewhere, along a new axis."""
    bounds.elements((np.size(indices), depth))
    hot = jax.nn.one_hot(indices, int(depth), axis=axis)
    return jnp.where(hot > 0, on_value, off_value).astype(dtype_of(dtype))


def tf_range(*args: Any, dtype: Any = None, name: str | None = None, **keywords: Any) -> Any:
    """Numbers from `start` to before `limit`; all three must be known."""
    limits = [*args] if args else [keywords.get("start", 0), keywords["limit"]]
    if "limit" in keywords and args:
        limits.append(keywords["limit"])
    if "delta" in keywords:
        limits = [*([0] if len(limits) == 1 else []), *limits, keywords["delta"]]
    if not is_static(limits) and any(isinstance(b, jax.core.Tracer) for b in limits):
        raise UnknownTensorFlowError("tf.range of a computed limit has no known length")
    if any(is_symbolic_dim(b) for b in limits):
        found = jnp.arange(*limits)
        return found if dtype is None else found.astype(dtype_of(dtype))
    numbers = [np.asarray(b).item() for b in limits]
    start, stop, step = (0, *numbers, 1) if len(numbers) == 1 else (*numbers, 1)[:3]
    bounds.elements([max(0.0, (stop - start) / step) if step else 0.0])
    known = np.arange(*numbers)
    return known.astype(dtype_of(dtype if dtype is not None else known.dtype))


def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = "bool", name: str | None = None) -> jax.Array:
    """[..., maxlen]: whether a position is before its length."""
    if maxlen is None and isinstance(lengths, jax.core.Tracer):
        raise UnknownTensorFlowError(
            "'tf.sequence_mask' of computed lengths needs 'maxlen', as sizes are fixed when the program is made",
            ways=["tf.sequence_mask(lengths, maxlen=tf.shape(x)[1])"],
        )
    (size,) = shape_of(int(np.max(lengths, initial=0)) if maxlen is None else maxlen)
    lengths = jnp.asarray(lengths)
    return (jnp.arange(size) < lengths[..., None]).astype(dtype_of(dtype))


def tile(input: Any, multiples: Any, name: str | None = None) -> jax.Array:
    """Repeated along each axis."""
    input = array(input)
    bounds.elements((*shape_of(multiples), np.size(input)))
    return jnp.tile(input, shape_of(multiples))


def tf_slice(input_: Any, begin: Any, size: Any, name: str | None = None) -> jax.Array:
    """`size` entries from `begin` on, along each axis; -1 for all the rest."""
    starts, sizes = shape_of(begin), shape_of(size)
    return jnp.asarray(input_)[tuple(slice(b, None if s == -1 else b + s) for b, s in zip(starts, sizes))]


def linspace(start: Any, stop: Any, num: int, name: str | None = None, axis: int = 0) -> jax.Array:
    """`num` numbers from `start` to `stop`, both included."""
    bounds.elements([num])
    return jnp.linspace(start, stop, int(num), axis=axis)


def broadcast_to(input: Any, shape: Any, name: str | None = None) -> jax.Array:
    """Repeated to fill a shape."""
    bounds.elements(shape_of(shape))
    return jnp.broadcast_to(array(input), shape_of(shape))


def eye(num_rows: int, num_columns: int | None = None, dtype: Any = "float32", name: str | None = None) -> jax.Array:
    """Ones on the diagonal, zeros elsewhere."""
    bounds.elements([num_rows, num_rows if num_columns is None else num_columns])
    return jnp.eye(num_rows, num_columns, dtype=dtype_of(dtype))


def table() -> dict[str, Function]:
    """All of them by TensorFlow's name."""
    return dict(
        broadcast_to=broadcast_to,
        concat=concat,
        constant=constant,
        convert_to_tensor=lambda value, dtype=None, name=None: constant(value, dtype),
        expand_dims=expand_dims,
        eye=eye,
        fill=fill,
        gather=gather,
        gather_nd=gather_nd,
        linspace=linspace,
        meshgrid=lambda *args, indexing="xy", name=None: jnp.meshgrid(*map(jnp.asarray, args), indexing=indexing),
        one_hot=one_hot,
        ones=ones,
        ones_like=on_jax(
            lambda x, dtype=None: jnp.ones_like(x, None if dtype is None else dtype_of(dtype)), ("x", "dtype")
        ),
        pad=pad,
        range=tf_range,
        rank=lambda input, name=None: jnp.ndim(input),
        repeat=on_jax(jnp.repeat, ("x", "repeats", "axis")),
        reshape=reshape,
        reverse=on_jax(lambda x, axis: jnp.flip(x, tuple(np.reshape(np.asarray(axis), -1).tolist())), ("x", "axis")),
        roll=either("roll", order=("x", "shift", "axis")),
        scatter_nd=scatter_nd,
        sequence_mask=sequence_mask,
        shape=shape,
        size=lambda input, name=None, out_type=None: plain(np.int32(np.size(input))),
        slice=tf_slice,
        split=split,
        squeeze=squeeze,
        stack=stack,
        tile=tile,
        transpose=transpose,
        unstack=unstack,
        zeros=zeros,
        zeros_like=on_jax(
            lambda x, dtype=None: jnp.zeros_like(x, None if dtype is None else dtype_of(dtype)), ("x", "dtype")
        ),
    )
