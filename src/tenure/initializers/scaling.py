"""Initial values whose variance follows from how many units a weight connects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from tenure.initializers.simple import TRUNCATED_STDDEV, RandomNormal, RandomUniform, Shown, TruncatedNormal

_MODES = ("fan_in", "fan_out", "fan_avg")


_DISTRIBUTIONS = ("normal", "truncated_normal", "uniform")


def fans(shape: Sequence[int], fan_in_axes: Sequence[int] | None = None) -> tuple[Any, Any]:
    """How many inputs and outputs a weight of that shape connects.

    The last axis counts outputs and the one before it inputs; all axes before these are a convolution's receptive
    field, which multiplies both. `fan_in_axes` says it explicitly for weights of three and more axes.

    Args:
      shape: of the weight.
      fan_in_axes: the axes of the inputs; None for all but the last.

    >>> fans((4, 7)), fans((3, 3, 4, 7)), fans((4, 2, 7), fan_in_axes=(0,))
    ((4, 7), (36, 63), (4, 14))
    """
    rank = len(shape)
    if rank < 2:
        return (shape[0], shape[0]) if rank else (1, 1)
    if rank == 2:
        return shape[0], shape[1]
    if fan_in_axes is None:
        field = math.prod(shape[:-2])
        return shape[-2] * field, shape[-1] * field
    outputs = [size for axis, size in enumerate(shape) if axis not in fan_in_axes]
    return math.prod(shape[axis] for axis in fan_in_axes), math.prod(outputs)


class VarianceScaling(Shown):
    """Samples of variance `scale / n`, where n is a number of units that the weight connects.

    The well-known ones, each with any of the distributions: LeCun's is `VarianceScaling(1.0, "fan_in")`, Glorot's
    `VarianceScaling(1.0, "fan_avg")`, He's `VarianceScaling(2.0, "fan_in")`.

    Args:
      scale: the variance's numerator.
      mode: what n is: "fan_in", "fan_out", or their mean "fan_avg".
      distribution: "truncated_normal", "normal" or "uniform".
      fan_in_axes: see `fans`.

    Raises:
      ValueError: a negative scale, or an unknown mode or distribution.

    >>> import tenure as tn
    >>> init = VarianceScaling(1.0, "fan_in", "uniform")
    >>> model = tn.transform(lambda: tn.get_parameter("w", (3, 50), init=init))
    >>> bool(abs(model.init(jax.random.key(0))["~"]["w"]).max() <= 1)
    True
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        fan_in_axes: Sequence[int] | None = None,
    ):
        """Describes the distribution.

        Args:
          scale: the variance times what `mode` says.
          mode: "fan_in", "fan_out" or "fan_avg".
          distribution: "truncated_normal", "normal" or "uniform".
          fan_in_axes: the axes of the inputs; None for all but the last.

        Raises:
          ValueError: the scale is negative, or there is no such mode or distribution.
        """
        if scale < 0:
            raise ValueError(f"scale is a variance, it must be a positive float: {scale}")
        if mode not in _MODES:
            raise ValueError(f"Invalid `mode` argument: it is one of {', '.join(_MODES)}, not {mode!r}")
        distribution = distribution.lower()
        if distribution not in _DISTRIBUTIONS:
            raise ValueError(
                f"Invalid `distribution` argument: it is one of {', '.join(_DISTRIBUTIONS)}, not {distribution!r}"
            )
        self.scale, self.mode, self.distribution, self.fan_in_axes = scale, mode, distribution, fan_in_axes

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        fan_in, fan_out = fans(shape, self.fan_in_axes)
        units = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        variance = self.scale / max(1.0, units)
        if self.distribution == "uniform":
            limit = np.sqrt(3.0 * variance)
            return RandomUniform(-limit, limit)(shape, dtype)
        stddev = np.sqrt(variance)
        if self.distribution == "normal":
            return RandomNormal(stddev)(shape, dtype)
        return TruncatedNormal(stddev / np.asarray(TRUNCATED_STDDEV, dtype))(shape, dtype)


class UniformScaling(Shown):
    """Uniform samples of variance `scale² / n`, where n is the product of all axes but the last.

    >>> import tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (3, 50), init=UniformScaling()))
    >>> bool(abs(model.init(jax.random.key(0))["~"]["w"]).max() <= 1)
    True
    """

    def __init__(self, scale: float = 1.0):
        self.scale = scale

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        limit = np.sqrt(3 / np.prod(shape[:-1])) * self.scale
        return RandomUniform(-limit, limit)(shape, dtype)
