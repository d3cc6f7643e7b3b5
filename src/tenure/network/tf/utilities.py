"""Functions of RETURNN's own toolbox that configs import beside TensorFlow."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from tenure.network.tf import random, shapes
from tenure.network.tf.algebra import identity
from tenure.network.tf.control import cond
from tenure.network.tf.static import UnknownTensorFlowError, array, shape_of
from tenure.network.tf.words import OpCodeCompiler, Words


def get_shape(x: Any) -> list[int]:
    """The sizes of the axes."""
    return list(jnp.shape(x))


def get_shape_dim(x: Any, axis: int, name: str | None = None) -> int:
    """The size of one axis."""
    return jnp.shape(x)[axis]


def dropout(
    x: Any,
    keep_prob: Any,
    noise_shape: Any = None,
    seed: Any = None,
    name: str | None = None,
    cond_on_train: bool = False,
    apply_correction_factor: bool = True,
    grad_checkpointing: bool = False,
) -> Any:
    """`x` with entries set to zero, and the others scaled up.

    Args:
      x: an array.
      keep_prob: how probably an entry stays.
      noise_shape: of the mask; None in it, or for it, is as large as `x`.
      seed, name: not used.
      cond_on_train: refused: `network.cond_on_train` says when.
      apply_correction_factor: False: what stays is as it was.
      grad_checkpointing: changes no value.
    """
    if cond_on_train:
        raise UnknownTensorFlowError(
            "dropout(…, cond_on_train=True) is not done here",
            ways=["network.cond_on_train(lambda: dropout(x, keep_prob=…), lambda: x)"],
        )
    x = jnp.asarray(x)
    if noise_shape is not None:
        noise_shape = [x.shape[i] if n is None else n for i, n in enumerate(noise_shape)]
    if apply_correction_factor:
        return random.dropout(x, keep_prob, noise_shape)
    return jnp.where(random.dropout(jnp.ones_like(x), keep_prob, noise_shape) == 0, 0, x)


def expand_dims_unbroadcast(x: Any, axis: int, dim: Any, name: str | None = None) -> Any:
    """A new axis of that size, along which values are the same."""
    x = jnp.asarray(x)
    at = axis % (x.ndim + 1)
    return jnp.broadcast_to(jnp.expand_dims(x, at), (*x.shape[:at], *shape_of(dim), *x.shape[at:]))


def expand_multiple_dims(x: Any, axes: Sequence[int], name: str | None = None) -> Any:
    """New axes of size 1, one after the other, least place first: `[-1, -1]` appends two."""
    x = array(x)
    for axis in sorted(axes):
        x = jnp.expand_dims(x, axis)
    return x


def tile_transposed(x: Any, axis: int, multiples: int) -> Any:
    """Each entry of an axis several times in a row."""
    return jnp.repeat(jnp.asarray(x), int(multiples), axis=axis)


def nd_indices(indices: Any, indices_batch_major: bool = True) -> Any:
    """Indices [batch, …] as pairs (sequence, index) [batch, …, 2], for `tf.gather_nd`."""
    indices = jnp.asarray(indices)
    at = 0 if indices_batch_major else 1
    rows = jnp.arange(indices.shape[at]).reshape([-1 if i == at else 1 for i in range(indices.ndim)])
    return jnp.stack([jnp.broadcast_to(rows, indices.shape).astype(indices.dtype), indices], axis=-1)


def dimshuffle(x: Any, axes: Sequence[int | str], name: str | None = None) -> Any:
    """The axes in this order, with a new axis of size 1 for each "x"; axes of size 1 may be left out.

    >>> dimshuffle(jnp.ones((2, 1, 3)), (2, "x", 0)).shape
    (3, 1, 2)
    """
    x = jnp.asarray(x)
    kept = [axis for axis in axes if axis != "x"]
    left_out = tuple(i for i in range(x.ndim) if i not in kept)
    order = [sorted(kept).index(axis) for axis in kept]
    found = jnp.squeeze(x, left_out).transpose(order)
    return jnp.expand_dims(found, tuple(i for i, axis in enumerate(axes) if axis == "x"))


def batch_gather(values: Any, indices: Any, **options: Any) -> Any:
    """Of values [batch, time, …] those at indices [batch, …], sequence by sequence.

    >>> batch_gather(jnp.array([[1, 2], [3, 4]]), jnp.array([1, 0])).tolist()
    [2, 3]
    """
    return shapes.gather(values, indices, batch_dims=1, axis=1)


def select_src_beams(x: Any, src_beams: Any, name: str | None = None) -> Any:
    """Of [batch · beam, …] the hypotheses that those of the next beam continue [batch, beam], in the same layout.

    >>> select_src_beams(jnp.array([1, 2, 3, 4]), jnp.array([[1, 1], [0, 1]])).tolist()
    [2, 2, 3, 4]
    """
    x, index = jnp.asarray(x), jnp.asarray(src_beams)
    rows = x.reshape(index.shape[0], -1, *x.shape[1:])
    found = batch_gather(rows, index)
    return found.reshape(-1, *x.shape[1:])


def _optional(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        """The sum or product of those that are there; None if none is."""
        given = [x for x in args if x is not None]
        return functools.reduce(function, given) if given else None

    return call


def move_axis(x: Any, old_axis: int, new_axis: int, name: str | None = None) -> Any:
    """One axis to another place."""
    return jnp.moveaxis(jnp.asarray(x), old_axis, new_axis)


def sequence_mask_time_major(lengths: Any, maxlen: Any = None, name: str | None = None) -> Any:
    """[time, batch]: whether a position is before its length."""
    return shapes.sequence_mask(lengths, maxlen).T


UTILITIES: dict[str, Callable[..., Any]] = {
    "batch_gather": batch_gather,
    "OpCodeCompiler": OpCodeCompiler,
    "check_dim_equal": lambda x, *others, **more: x,
    "check_input_dim": identity,
    "check_input_ndim": identity,
    "cond": cond,
    "dimshuffle": dimshuffle,
    "dropout": dropout,
    "expand_dims_unbroadcast": expand_dims_unbroadcast,
    "expand_multiple_dims": expand_multiple_dims,
    "get_ndim": jnp.ndim,
    "get_shape": get_shape,
    "get_shape_dim": get_shape_dim,
    "get_shared_vocab": Words.of,
    "identity": identity,
    "move_axis": move_axis,
    "optional_add": _optional(operator.add),
    "optional_mul": _optional(operator.mul),
    "select_src_beams": select_src_beams,
    "nd_indices": nd_indices,
    "sequence_mask": shapes.sequence_mask,
    "sequence_mask_time_major": sequence_mask_time_major,
    "swapaxes": lambda x, axis1, axis2: jnp.swapaxes(jnp.asarray(x), axis1, axis2),
    "tile_transposed": tile_transposed,
}
"""By RETURNN's name."""
