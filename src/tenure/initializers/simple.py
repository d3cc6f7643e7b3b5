"""Initial values that depend on nothing but their arguments: constants, and samples of one distribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.run.rng import next_rng_key
from tenure.functional.dtypes import typed
from tenure.initializers import samples

#: `init(shape, dtype) -> array`, or `init(key, shape, dtype) -> array` as `jax.nn.initializers` has them.
Initializer = Callable[..., jax.Array]

# The standard deviation of a standard normal distribution that is cut off at -2 and 2.
TRUNCATED_STDDEV = 0.87962566103423978


class Shown:
    """Shows itself as the call that makes it, in errors too."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


class Constant(Shown):
    """The same value everywhere, or an array that broadcasts to the shape.

    >>> Constant(3), Constant(3)((2,), jnp.float32)
    (Constant(constant=3), Array([3., 3.], dtype=float32))
    """

    def __init__(self, constant: Any):
        self.constant = constant

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        if type(self.constant) in (int, float) and dtype in (jnp.float32, jnp.int32):
            return samples.full(shape, self.constant, dtype)
        value = jnp.asarray(self.constant)
        return jnp.broadcast_to(value, shape).astype(dtype)


def _shifted(sample: jax.Array, shift: Any, dtype: Any) -> jax.Array:
    """`sample + shift`; what is nothing to do takes no time."""
    return sample if isinstance(shift, (int, float)) and shift == 0 else sample + typed(shift, dtype)


class RandomNormal(Shown):
    """Independent normal samples.

    >>> import tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (3, 2), init=RandomNormal(0.1)))
    >>> model.init(jax.random.key(0))["~"]["w"].shape
    (3, 2)
    """

    def __init__(self, stddev: Any = 1.0, mean: Any = 0.0):
        """Describes the distribution.

        Args:
          stddev: its standard deviation.
          mean: is added.
        """
        self.stddev, self.mean = stddev, mean

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        sample = typed(self.stddev, dtype) * samples.normal(next_rng_key(), shape, dtype)
        return _shifted(sample, self.mean, dtype)


class TruncatedNormal(Shown):
    """Normal samples, drawn again where they are outside of [`lower`, `upper`] standard deviations.

    `stddev` is that of the distribution before it is cut off. For a complex dtype both parts are drawn this way.

    >>> import tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (100,), init=TruncatedNormal(0.1)))
    >>> bool(abs(model.init(jax.random.key(0))["~"]["w"]).max() <= 0.2)
    True
    """

    def __init__(self, stddev: Any = 1.0, mean: Any = 0.0, lower: Any = -2.0, upper: Any = 2.0):
        """Describes the distribution.

        Args:
          stddev: before it is cut off.
          mean: is added.
          lower, upper: where it is cut off, in standard deviations.
        """
        self.stddev, self.mean, self.lower, self.upper = stddev, mean, lower, upper

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        real = jnp.finfo(dtype).dtype
        parts = jnp.issubdtype(dtype, jnp.complexfloating)
        drawn = (2, *shape) if parts else tuple(shape)
        if not parts and isinstance(self.stddev, (int, float, np.number)):
            sample = samples.truncated_normal(next_rng_key(), self.lower, self.upper, drawn, real, self.stddev)
            return _shifted(sample, self.mean, dtype)
        sample = samples.truncated_normal(next_rng_key(), self.lower, self.upper, drawn, real)
        if parts:
            sample = sample[0] + 1j * sample[1]
        return _shifted(typed(self.stddev, real) * sample, self.mean, dtype)


class RandomUniform(Shown):
    """Uniform samples in [`minval`, `maxval`).

    >>> import tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (100,), init=RandomUniform(-1, 1)))
    >>> bool(abs(model.init(jax.random.key(0))["~"]["w"]).max() <= 1)
    True
    """

    def __init__(self, minval: Any = 0.0, maxval: Any = 1.0):
        """Describes the distribution.

        Args:
          minval: the least value.
          maxval: above all values.
        """
        self.minval, self.maxval = minval, maxval

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        return samples.uniform(next_rng_key(), shape, dtype, self.minval, self.maxval)
