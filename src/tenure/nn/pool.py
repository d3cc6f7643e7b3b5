"""Pooling: the maximum or the mean of each window."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.module import Module, Share, Stages
from tenure.functional import pooled

Window = int | Sequence[int]


def max_pool(
    value: jax.Array, window_shape: Window, strides: Window, padding: str, channel_axis: int | None = -1
) -> jax.Array:
    """The maximum of each window.

    Args:
      value: the array.
      window_shape: one size for each of the last axes; or one for all of them but the first, the batch, and the
        channels, which does not work inside `vmap`, as the batch cannot be seen there.
      strides: how far apart windows are, in the same forms.
      padding: "SAME" or "VALID".
      channel_axis: is not pooled, where sizes are one number.

    Raises:
      ValueError: another padding, or there is no such channel axis.

    >>> max_pool(jnp.arange(6.0).reshape(1, 6, 1), (2, 1), (2, 1), "VALID").ravel()
    Array([1., 3., 5.], dtype=float32)
    """
    x, window, steps = _arguments(value, window_shape, strides, padding, channel_axis)
    return pooled(x, "max", window, steps, padding)


def avg_pool(
    value: jax.Array, window_shape: Window, strides: Window, padding: str, channel_axis: int | None = -1
) -> jax.Array:
    """The mean of each window; of what is padded it counts nothing. The arguments are as for `max_pool`.

    Args:
      value: an array of any shape.
      window_shape: sizes for all axes, or for the last ones; or one number.
      strides: likewise.
      padding: "SAME" or "VALID".
      channel_axis: the axis that a single number leaves alone; None for none.

    >>> avg_pool(jnp.arange(5.0).reshape(1, 5, 1), (2, 1), (2, 1), "SAME").ravel()
    Array([0.5, 2.5, 4. ], dtype=float32)
    """
    x, window, steps = _arguments(value, window_shape, strides, padding, channel_axis)
    return pooled(x, "mean", window, steps, padding)


def _arguments(value: Any, window: Window, strides: Window, padding: str, channel_axis: int | None) -> Any:
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"pooling pads 'SAME' or 'VALID', not {padding!r}")
    x = jnp.asarray(value)
    if any(isinstance(size, int) and size != 1 for size in (window, strides)):
        warnings.warn(
            "a window or stride that is one number does not work inside vmap: give one for each axis, say (3, 3, 1)",
            DeprecationWarning,
            stacklevel=3,
        )
    return x, _sizes(x, window, channel_axis), _sizes(x, strides, channel_axis)


def _sizes(x: jax.Array, size: Window, channel_axis: int | None) -> tuple[int, ...]:
    """A size for each axis; those in front that are not mentioned have 1."""
    if not isinstance(size, int):
        if len(size) > x.ndim:
            raise ValueError(f"{tuple(size)} has more sizes than the array axes: {x.shape}")
        return (1,) * (x.ndim - len(size)) + tuple(size)
    if channel_axis and abs(channel_axis) >= x.ndim:
        raise ValueError(f"channel_axis={channel_axis} is not one of {x.shape}, or it is the batch")
    channels = channel_axis + x.ndim if channel_axis and channel_axis < 0 else channel_axis
    return (1, *(1 if axis == channels else size for axis in range(1, x.ndim)))


class MaxPool(Module):
    """`max_pool` as a layer.

    >>> import tenure as tn
    >>> tn.transform(lambda x: MaxPool((2, 2, 1), (2, 2, 1), "SAME")(x)).apply({}, None, jnp.ones((1, 5, 5, 3))).shape
    (1, 3, 3, 3)
    """

    def __init__(
        self,
        window_shape: Window,
        strides: Window,
        padding: str,
        channel_axis: int | None = -1,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the windows; see `max_pool`.

        Args:
          window_shape: sizes for all axes, or for the last ones; or one number.
          strides: likewise.
          padding: "SAME" or "VALID".
          channel_axis: the axis that a single number leaves alone; None for none.
          name: of the module.
        """
        super().__init__(name=name)
        self.window_shape = window_shape
        self.strides = strides
        self.padding = padding
        self.channel_axis = channel_axis

    def __call__(self, value: jax.Array) -> jax.Array:
        """Pools."""
        return max_pool(value, self.window_shape, self.strides, self.padding, self.channel_axis)


class AvgPool(Module):
    """`avg_pool` as a layer.

    >>> import tenure as tn
    >>> tn.transform(lambda x: AvgPool((2, 2, 1), (2, 2, 1), "VALID")(x)).apply({}, None, jnp.ones((1, 5, 5, 3))).shape
    (1, 2, 2, 3)
    """

    def __init__(
        self,
        window_shape: Window,
        strides: Window,
        padding: str,
        channel_axis: int | None = -1,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the windows; see `avg_pool`.

        Args:
          window_shape: sizes for all axes, or for the last ones; or one number.
          strides: likewise.
          padding: "SAME" or "VALID".
          channel_axis: the axis that a single number leaves alone; None for none.
          name: of the module.
        """
        super().__init__(name=name)
        self.window_shape = window_shape
        self.strides = strides
        self.padding = padding
        self.channel_axis = channel_axis

    def __call__(self, value: jax.Array) -> jax.Array:
        """Pools."""
        return avg_pool(value, self.window_shape, self.strides, self.padding, self.channel_axis)
