"""The maximum or the mean of sliding windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def pooled(
    x: jax.Array,
    kind: str,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Any,
    dilations: Sequence[int] | None = None,
    *,
    whole: bool = False,
    counted: jax.Array | None = None,
) -> jax.Array:
    """The maximum ("max") or the mean ("mean") of each window; at the edges of what is inside.

    Args:
      x: any array.
      kind: "max" or "mean".
      window, strides: a size for each axis of x.
      padding: "SAME" or "VALID", or a pair (before, after) for each axis.
      dilations: how far apart the elements of a window are, for each axis; None for 1.
      counted: how often each element counts in means at the edges, 0 or 1; broadcasts to x. None for 1.
      whole: whether the mean is always the sum over the window's size, whatever is padded.

    >>> pooled(jnp.arange(5.0), "mean", (2,), (2,), "SAME")
    Array([0.5, 2.5, 4. ], dtype=float32)
    """

    def slide(values: jax.Array, start: float, function: Any) -> jax.Array:
        return lax.reduce_window(values, start, function, window, strides, padding, window_dilation=dilations)

    if kind == "max":
        return slide(x, -jnp.inf, lax.max)
    total = slide(x, 0.0, lax.add)
    if whole or padding == "VALID":
        return total / np.prod(window)
    if counted is not None:
        return total / jnp.maximum(slide(counted, 0.0, lax.add), 1)
    shape = [size if w != 1 else 1 for size, w in zip(x.shape, window, strict=True)]
    return total / slide(jnp.ones(shape, x.dtype), 0.0, lax.add)
