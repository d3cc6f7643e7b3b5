"""Convolutions, whose weights' gradient uses several cores of a CPU."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tenure.functional.explicit_mesh import explicit, left_to_xla

#: Into how many parts a batch is split for the gradient of a kernel, and from how many multiplications on.
PARTS = 4
LEAST_WORK = 100_000_000


def convolve(x: jax.Array, w: jax.Array, strides: Any, padding: Any, *, split: bool = True, **how: Any) -> jax.Array:
    """`jax.lax.conv_general_dilated`, whose gradient by `w` is a sum over parts of the batch on CPUs.

    XLA computes the gradient of one kernel on one core of a CPU; the gradients of four parts of the batch it computes at
    the same time. The rule is `jax.custom_jvp`'s, made of differentiable functions, so forward mode and higher
    derivatives exist as without it. On GPUs and TPUs, for small convolutions (fewer than `LEAST_WORK` multiplications)
    and for batches that do not make `PARTS` equal parts, the gradient is JAX's.

    Args:
      x: the batch and its channels, in the order that `dimension_numbers` says.
      w: the kernel.
      strides, padding: as for `jax.lax.conv_general_dilated`.
      split: False for JAX's gradient everywhere.
      **how: further arguments of `jax.lax.conv_general_dilated`.

    >>> x, w = jnp.ones((1, 5, 1)), jnp.ones((3, 1, 1))
    >>> convolve(x, w, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")).ravel()
    Array([2., 3., 3., 3., 2.], dtype=float32)
    """

    def plain(x: jax.Array, w: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(x, w, strides, padding, **how)

    numbers = lax.conv_dimension_numbers(x.shape, w.shape, how.get("dimension_numbers"))
    batch, out = numbers.lhs_spec[0], numbers.out_spec[0]
    if explicit():
        return left_to_xla(plain, x, w, batch=batch, out=out)
    window = tuple(w.shape[axis] for axis in numbers.rhs_spec[2:])
    if not split or not all(isinstance(size, int) for size in x.shape):  # a symbolic batch
        return plain(x, w)
    work = _work(x.shape, w.shape, w.shape[numbers.rhs_spec[1]], how.get("feature_group_count", 1), strides)
    if not _pays(x.shape[batch], window, work):
        return plain(x, w)

    def in_parts(x: jax.Array, w: jax.Array) -> jax.Array:
        return jnp.concatenate([plain(part, w) for part in jnp.split(x, PARTS, batch)], out)

    function = jax.custom_jvp(plain)

    @function.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        x, w = primals
        d_x, d_w = tangents
        by_kernel = lax.platform_dependent(x, d_w, cpu=in_parts, default=plain)
        return plain(x, w), plain(d_x, w) + by_kernel

    return function(x, w)


def _pays(batch: int, window: tuple[int, ...], work: int) -> bool:
    """Whether the gradient in parts measured faster: much to do, equal parts of two examples or more, kernels of an area.

    Kernels that are longer than 1 along one axis only are products of matrices to XLA, which uses all cores for them.
    """
    return sum(size > 1 for size in window) > 1 and batch % PARTS == 0 and batch >= 2 * PARTS and work >= LEAST_WORK


def _work(x: tuple[int, ...], w: tuple[int, ...], inputs: int, groups: int, strides: Any) -> int:
    """About how many multiplications a convolution takes, whose kernel sums over so many inputs of each group."""
    return math.prod(x) * math.prod(w) // max(inputs * groups * math.prod(strides), 1)
