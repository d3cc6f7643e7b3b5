"""Affine maps of one axis."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tenure.functional.explicit import rows_of


def affine(
    x: jax.Array,
    w: jax.Array,
    b: jax.Array | None = None,
    *,
    axis: int = -1,
    precision: jax.lax.PrecisionLike = None,
) -> jax.Array:
    """`x w + b` along one axis of x; for integers x, rows of `w` in a new last axis.

    Args:
      x: [..., inputs, ...], or labels [...], of which those beyond the last row stand for that.
      w: [inputs, outputs].
      b: [outputs], or None.
      axis: of the inputs, and then of the outputs.
      precision: of the product.

    Returns:
      [..., outputs, ...], or [..., outputs] of labels.

    >>> affine(jnp.ones((2, 3)), jnp.ones((3, 4)), jnp.ones(4)).shape, affine(jnp.array(1), jnp.eye(2)).tolist()
    ((2, 4), [0.0, 1.0])
    """
    if jnp.issubdtype(x.dtype, jnp.integer):
        y, axis = rows_of(w, x, "clip"), -1
    elif axis in (-1, x.ndim - 1):
        y, axis = jnp.dot(x, w, precision=precision), -1
    else:
        y = jnp.moveaxis(jnp.tensordot(x, w, ((axis,), (0,)), precision=precision), -1, axis)
    if b is None:
        return y
    return y + (jnp.broadcast_to(b, y.shape) if axis == -1 else jnp.expand_dims(b, _behind(y.ndim, axis)))


def _behind(rank: int, axis: int) -> tuple[int, ...]:
    """The places of axes of size 1 that bring a vector to an axis of an array."""
    return tuple(range(1, rank - axis % rank))
