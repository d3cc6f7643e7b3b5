"""Initial values: callables `(shape, dtype) -> array` that draw their keys from the transform that runs them.

An initialiser sees the shape of one parameter, inside a layer stack that of one layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core import samples
from tenure.core.rng import next_rng_key
from tenure.functional.dtypes import typed

Initializer = Callable[[Sequence[int], Any], jax.Array]

_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("normal", "truncated_normal", "uniform")
# The standard deviation of a standard normal distribution that is cut off at -2 and 2.
_TRUNCATED_STDDEV = 0.87962566103423978


class _Shown:
    """Shows itself as the call that makes it, in errors too."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


class Constant(_Shown):
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


class RandomNormal(_Shown):
    """Independent normal samples.

    >>> import tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (3, 2), init=RandomNormal(0.1)))
    >>> model.init(jax.random.key(0))["~"]["w"].shape
    (3, 2)
    """

    def __init__(self, stddev: Any = 1.0, mean: Any = 0.0):
        self.stddev, self.mean = stddev, mean

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        sample = typed(self.stddev, dtype) * samples.normal(next_rng_key(), shape, dtype)
        return _shifted(sample, self.mean, dtype)


class TruncatedNormal(_Shown):
    """Normal samples, drawn again where they are outside of [`lower`, `upper`] standard deviations.

    `stddev` is that of the distribution before it is cut off. For a complex dtype both parts are drawn this way.

    >>> import tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (100,), init=TruncatedNormal(0.1)))
    >>> bool(abs(model.init(jax.random.key(0))["~"]["w"]).max() <= 0.2)
    True
    """

    def __init__(self, stddev: Any = 1.0, mean: Any = 0.0, lower: Any = -2.0, upper: Any = 2.0):
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


class RandomUniform(_Shown):
    """Uniform samples in [`minval`, `maxval`).

    >>> import tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (100,), init=RandomUniform(-1, 1)))
    >>> bool(abs(model.init(jax.random.key(0))["~"]["w"]).max() <= 1)
    True
    """

    def __init__(self, minval: Any = 0.0, maxval: Any = 1.0):
        self.minval, self.maxval = minval, maxval

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        return samples.uniform(next_rng_key(), shape, dtype, self.minval, self.maxval)


def fans(shape: Sequence[int], fan_in_axes: Sequence[int] | None = None) -> tuple[Any, Any]:
    """How many inputs and outputs a weight of that shape connects.

    The last axis counts outputs and the one before it inputs; all axes before these are a convolution's receptive
    field, which multiplies both. `fan_in_axes` says it explicitly for weights of three and more axes.

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


class VarianceScaling(_Shown):
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
        return TruncatedNormal(stddev / np.asarray(_TRUNCATED_STDDEV, dtype))(shape, dtype)


class UniformScaling(_Shown):
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


class Orthogonal(_Shown):
    """An orthogonal matrix, uniformly distributed; orthonormal along the longer side if it is not square.

    Weights of more than two axes are taken as a matrix of `axis` and all the others.

    Source: Saxe et al. 2013, https://arxiv.org/abs/1312.6120; uniform by the sign rule of Mezzadri 2006,
    https://arxiv.org/abs/math-ph/0609050.

    Raises:
      ValueError: the shape has fewer than two axes.

    >>> import tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (4, 4), init=Orthogonal()))
    >>> w = model.init(jax.random.key(0))["~"]["w"]
    >>> bool(jnp.allclose(w @ w.T, jnp.eye(4), atol=1e-5))
    True
    """

    def __init__(self, scale: Any = 1.0, axis: int = -1):
        self.scale, self.axis = scale, axis

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal initializer requires at least a 2D shape. It is {tuple(shape)}")
        rows = shape[self.axis]
        columns = math.prod(shape) // rows
        sample = samples.normal(next_rng_key(), (max(rows, columns), min(rows, columns)), dtype)
        q, r = jnp.linalg.qr(sample)
        q = q * jnp.sign(jnp.diag(r))
        if rows < columns:
            q = q.T
        others = [size for axis, size in enumerate(shape) if axis != self.axis % len(shape)]
        q = jnp.moveaxis(q.reshape(rows, *others), 0, self.axis)
        return jax.lax.convert_element_type(self.scale, dtype) * q


class Identity(_Shown):
    """The identity matrix in the last two axes, times `gain`.

    Raises:
      ValueError: the shape has fewer than two axes.

    >>> Identity(2.0)((2, 3), jnp.float32)
    Array([[2., 0., 0.],
           [0., 2., 0.]], dtype=float32)
    """

    def __init__(self, gain: Any = 1.0):
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        if len(shape) < 2:
            raise ValueError(f"Identity initializer requires at least a 2D shape. It is {tuple(shape)}")
        eye = jnp.broadcast_to(jnp.eye(shape[-2], shape[-1], dtype=dtype), tuple(shape))
        return jax.lax.convert_element_type(self.gain, dtype) * eye
