"""Affine maps of one axis."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from tenure.functional.explicit_mesh import explicit, rows_of
from tenure.functional.staged import staged

#: From how many rows, outputs and multiplications on a matrix has a gradient of its own on CPUs.
LEAST_ROWS, LEAST_OUTPUTS, LEAST_WORK = 64, 64, 2_000_000

#: The name that JAX's equations give to a product with a gradient of its own.
PRODUCT = "tenure.functional.linear.product"


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
        y, axis = product(x, w, precision), -1
    else:
        y = jnp.moveaxis(jnp.tensordot(x, w, ((axis,), (0,)), precision=precision), -1, axis)
    if b is None:
        return y
    return y + (jnp.broadcast_to(b, y.shape) if axis == -1 else jnp.expand_dims(b, _behind(y.ndim, axis)))


def product(x: jax.Array, w: jax.Array, precision: jax.lax.PrecisionLike = None) -> jax.Array:
    """`x w`, [..., outputs], of rows [..., inputs] and a matrix, whose gradient by the matrix is fast on CPUs.

    That gradient is `xᵀ dy`, a sum over all rows. XLA on CPUs has a fast product for operands that are stored as they are
    multiplied, and a slow one for `x` stored the other way round; so here `x` is turned first. The rule is
    `jax.custom_jvp`'s, made of differentiable functions, so forward mode and higher derivatives exist as without it. On
    GPUs and TPUs, for small products, for other numbers than single precision and outside of compiled programs, the gradient
    is JAX's.

    Args:
      x: [..., inputs].
      w: [inputs, outputs].
      precision: of the product.

    >>> product(jnp.ones((2, 3)), jnp.ones((3, 1))).tolist()
    [[3.0], [3.0]]
    """

    if not (_pays(x, w) and (staged(x) or staged(w))):
        return jnp.dot(x, w, precision=precision)
    return _with_rule(precision)(x, w)


@functools.cache
def _with_rule(precision: Any) -> Any:
    """The product of rows and a matrix, with a gradient of its own."""

    def plain(x: jax.Array, w: jax.Array) -> jax.Array:
        return lax.dot_general(x, w, (((x.ndim - 1,), (0,)), ((), ())), precision=precision)

    def rule(primals: Any, tangents: Any) -> Any:
        (x, w), (d_x, d_w), terms = primals, tangents, []
        if not isinstance(d_x, SymbolicZero):
            terms.append(plain(d_x, w))
        if not isinstance(d_w, SymbolicZero):
            terms.append(by_matrix(x, d_w, precision))
        y = plain(x, w)
        return y, sum(terms[1:], terms[0]) if terms else jnp.zeros_like(y)

    plain.__name__ = PRODUCT
    function = jax.custom_jvp(plain)
    function.defjvp(rule, symbolic_zeros=True)
    return function


def by_matrix(x: jax.Array, d_w: jax.Array, precision: jax.lax.PrecisionLike = None) -> jax.Array:
    """`x d_w`, whose transposition by `d_w`, `xᵀ dy`, turns `x` first where `product` does.

    Args:
      x: [..., inputs], which is not differentiated.
      d_w: [inputs, outputs].
      precision: of the product.
    """
    if not (_pays(x, d_w) and staged(x)):
        return jnp.dot(x, d_w, precision=precision)
    columns = _turned(lax.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1])))
    y = lax.dot_general(columns, d_w, (((0,), (0,)), ((), ())), precision=precision)
    return lax.reshape(y, (*x.shape[:-1], d_w.shape[-1]))


@jax.jit  # is traced and written down once for each shape, however many matrices there are
def _turned(x: jax.Array) -> jax.Array:
    """The transposition of a matrix, which XLA on CPUs has in memory.

    Left alone, XLA there computes the matrix once more for the transposition, entry by entry in the wrong order, which takes
    up to twenty times as long. What goes into a conditional it stores first; the barrier keeps it from turning the result
    back.
    """

    def stored(x: jax.Array) -> jax.Array:
        return lax.optimization_barrier(lax.cond(x[0, 0] > 0, jnp.transpose, jnp.transpose, x))

    result: jax.Array = lax.platform_dependent(x, cpu=stored, default=jnp.transpose)
    return result


def _pays(x: jax.Array, w: jax.Array) -> bool:
    """Whether the gradient with rows turned measured faster."""
    if explicit() or x.ndim < 2 or w.ndim != 2 or {x.dtype, w.dtype} != {jnp.dtype("float32")}:
        return False
    if not all(isinstance(size, int) for size in (*x.shape, *w.shape)):  # a symbolic batch
        return False
    rows, outputs = math.prod(x.shape[:-1]), w.shape[-1]
    return rows >= LEAST_ROWS and outputs >= LEAST_OUTPUTS and rows * math.prod(w.shape) >= LEAST_WORK


def _behind(rank: int, axis: int) -> tuple[int, ...]:
    """The places of axes of size 1 that bring a vector to an axis of an array."""
    return tuple(range(1, rank - axis % rank))
