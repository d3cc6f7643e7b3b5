"""Initial values that RETURNN adds to TensorFlow's: gammatone filters, values away from zero, values from a text file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure import initializers as init
from tenure.core.errors import brief
from tenure.initializers.scaling import fans
from tenure.network.errors import OptionError
from tenure.network.signal import gammatone_filters


@dataclasses.dataclass(frozen=True)
class GammatoneFilterbank:
    """A convolution's weights [sample_rate * length, …, num_channels] that are gammatone filters.

    Attributes:
      num_channels: how many filters.
      length: of their impulse responses, in seconds.
      sample_rate: samples per second.
      freq_max, freq_min: centre frequencies of the last and the first filter, in Hz.
      normalization: whether each filter's largest gain is 1.
    """

    num_channels: int
    length: float
    sample_rate: float = 16000
    freq_max: float = 7500.0
    freq_min: float = 100.0
    normalization: bool = True

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        wanted = (int(self.sample_rate * self.length), self.num_channels)
        if not shape or (shape[0], shape[-1]) != wanted or np.prod(shape) != np.prod(wanted):
            raise OptionError(
                f"these gammatone filters are {wanted}, and the weights {tuple(shape)}",
                ways=[f"'filter_size': ({wanted[0]},) and 'n_out': {wanted[1]}, for an input of one feature"],
            )
        filters = gammatone_filters(
            self.num_channels, self.length, self.sample_rate, self.freq_min, self.freq_max, self.normalization
        )
        return jnp.asarray(filters.reshape(shape), dtype)


@dataclasses.dataclass(frozen=True)
class VarianceScalingNonZero:
    """Glorot's values and their like, without those near zero: |x| is at least `non_zero_fraction` of the largest.

    Attributes:
      non_zero_fraction: from 0 (no difference) to 1.
      scale, mode, distribution: as of `VarianceScaling`, where "normal" is cut off at two deviations.
    """

    non_zero_fraction: float = 0.5
    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: Any = None

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        fan_in, fan_out = fans(shape)
        units = {"fan_in": fan_in, "fan_out": fan_out}.get(self.mode, (fan_in + fan_out) / 2)
        variance = self.scale / max(1.0, units)
        if self.distribution == "uniform":
            limit = float(np.sqrt(3 * variance))
            x = init.RandomUniform(-limit, limit)(shape, dtype)
        else:
            limit = 2 * float(np.sqrt(variance))
            x = init.TruncatedNormal(limit / 2)(shape, dtype)
        least = self.non_zero_fraction * limit
        return x * (1 - self.non_zero_fraction) + jnp.where(x >= 0, least, -least).astype(x.dtype)


@dataclasses.dataclass(frozen=True)
class TextFile:
    """Numbers from a text file, one on each line; lines that start with "<" (Sprint's XML around them) are left out.

    Attributes:
      filename: the file.
    """

    filename: str

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        try:
            lines = Path(self.filename).read_text().splitlines()
            numbers = np.array([float(line) for line in lines if line.strip() and line[0] != "<"], np.float32)
        except (OSError, ValueError) as error:
            raise OptionError(f"initial values from the file {brief(self.filename)}: {error}") from None
        if numbers.size != int(np.prod(shape)):
            raise OptionError(
                f"the file {brief(self.filename)} has {numbers.size} numbers, and {tuple(shape)} are needed"
            )
        return jnp.asarray(numbers.reshape(shape), dtype)


def random_uniform_abs(limit: float, seed: Any = None, dtype: Any = None) -> Any:
    """Uniform between `-limit` and `limit`."""
    return init.RandomUniform(-limit, limit)
