"""What initial values are made of: constants, and random samples, the same bits as `jax.random`'s.

On CPUs JAX rolls the rounds of its hash into a loop over whole arrays, which keeps compiled programs small, and writes
each round to memory. Initialising is little else than drawing: with the rounds unrolled, a draw takes less than half as
long, and compiles faster too. The hash is arithmetic of integers, so that its bits do not depend on how it is compiled;
what is computed from them is JAX's own sequence of operations.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.traces import outermost

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_SMALLEST = 1024  # elements; below there is nothing to gain
_PARITY = np.uint32(0x1BD11BDA)


def uniform(key: Any, shape: Sequence[int], dtype: Any, minval: Any = 0.0, maxval: Any = 1.0) -> jax.Array:
    """As `jax.random.uniform`: samples of `shape` in [`minval`, `maxval`).

    >>> key = jax.random.key(0)
    >>> bool((uniform(key, (2000,), jnp.float32) == jax.random.uniform(key, (2000,))).all())
    True
    """
    if _alike(key, shape, dtype, minval, maxval):
        return _draw(key, minval, maxval, None, "uniform", tuple(shape))
    return jax.random.uniform(key, shape, dtype, minval, maxval)


def normal(key: Any, shape: Sequence[int], dtype: Any) -> jax.Array:
    """As `jax.random.normal`: standard normal samples of `shape`.

    >>> key = jax.random.key(0)
    >>> bool((normal(key, (2000,), jnp.float32) == jax.random.normal(key, (2000,))).all())
    True
    """
    low, high = np.nextafter(np.float32(-1), np.float32(0)), np.float32(1)
    if _alike(key, shape, dtype):
        return _draw(key, low, high, None, "normal", tuple(shape))
    return jax.random.normal(key, shape, dtype)


def truncated_normal(
    key: Any, lower: Any, upper: Any, shape: Sequence[int], dtype: Any, stddev: Any = None
) -> jax.Array:
    """As `jax.random.truncated_normal`: standard normal samples in (`lower`, `upper`); times `stddev`, a number, if given.

    >>> key = jax.random.key(0)
    >>> ours, theirs = truncated_normal(key, -2, 2, (2000,), jnp.float32), jax.random.truncated_normal(key, -2, 2, (2000,))
    >>> bool((ours == theirs).all())
    True
    """
    if _alike(key, shape, dtype, lower, upper, stddev):
        return _draw(key, lower, upper, stddev, "truncated_normal", tuple(shape))
    sample = jax.random.truncated_normal(key, lower, upper, shape, dtype)
    return sample if stddev is None else sample * np.asarray(stddev, dtype)


def full(shape: Sequence[int], number: float, dtype: Any) -> jax.Array:
    """As `jnp.full`, in one operation instead of three.

    >>> full((2,), 3, jnp.float32)
    Array([3., 3.], dtype=float32)
    """
    if jax.dtypes.canonicalize_dtype(dtype) != np.dtype(dtype) or abs(number) >= 2**31:
        return jnp.full(shape, number, dtype)
    fill = np.asarray(number, dtype)
    return _full(fill, tuple(shape)) if outermost() else jax.lax.broadcast(fill, tuple(shape))


_full = jax.jit(jax.lax.broadcast, static_argnums=1)


def make(init: Any, shape: Sequence[int], dtype: Any) -> Any:
    """The value that an initialiser makes."""
    number = 0 if init is jnp.zeros else 1 if init is jnp.ones else None
    return init(shape, dtype) if number is None else full(shape, number, dtype)


def _alike(key: Any, shape: Sequence[int], dtype: Any, *numbers: Any) -> bool:
    """Whether `_draw` does what `jax.random` does: on a CPU, outside of traces, its default keys, single precision."""
    return (
        all(x is None or isinstance(x, (int, float, np.number)) for x in numbers)
        and dtype in (jnp.float32, np.float32)
        and jax.default_backend() == "cpu"
        and _is_threefry(key)
        and jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
        and _SMALLEST <= math.prod(shape) < 2**32
        and outermost()
    )


def _is_threefry(key: Any) -> bool:
    if key.dtype == jnp.uint32:
        return key.shape == (2,) and jax.config.jax_default_prng_impl == "threefry2x32"  # type: ignore[attr-defined]
    return key.shape == () and str(jax.random.key_impl(key)) == "fry"


@functools.partial(jax.jit, static_argnames=("kind", "shape"))
def _draw(key: Any, low: Any, high: Any, stddev: Any, kind: str, shape: tuple[int, ...]) -> jax.Array:
    data = key if key.dtype == jnp.uint32 else jax.random.key_data(key)
    low, high = jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32)
    root: Any = np.array(np.sqrt(2), np.float32)
    a, b = (jax.lax.erf(low / root), jax.lax.erf(high / root)) if kind == "truncated_normal" else (low, high)
    sample: jax.Array = _uniform(_bits(data, math.prod(shape)), a, b)
    if kind != "uniform":
        sample = root * jax.lax.erf_inv(sample)
    if kind == "truncated_normal":
        inside = jnp.nextafter(low, np.float32(np.inf)), jnp.nextafter(high, np.float32(-np.inf))
        sample = jnp.clip(sample, *inside)
        sample = sample if stddev is None else jnp.asarray(stddev, jnp.float32) * sample
    return sample.reshape(shape)


def _uniform(bits: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """Floats in [`low`, `high`): the bits are the mantissa of a number in [1, 2)."""
    one = np.array(1, np.float32)
    floats = jax.lax.bitcast_convert_type((bits >> np.uint32(9)) | one.view(np.uint32), jnp.float32) - one
    return jnp.maximum(low, floats * (high - low) + low)


def _bits(key: jax.Array, count: int) -> jax.Array:
    """Threefry-2x32 with 20 rounds, of the numbers below `count`.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    keys = key[0], key[1], key[0] ^ key[1] ^ _PARITY
    x, y = keys[0], jax.lax.iota(jnp.uint32, count) + keys[1]
    for i in range(5):
        for bits in _ROTATIONS[i % 2]:
            x = x + y
            y = x ^ ((y << np.uint32(bits)) | (y >> np.uint32(32 - bits)))
        x, y = x + keys[(i + 1) % 3], y + keys[(i + 2) % 3] + np.uint32(i + 1)
    return x ^ y
