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
    drawn = _drawn(key, minval, maxval, None, "uniform", shape, dtype)
    return drawn if drawn is not None else jax.random.uniform(key, shape, dtype, minval, maxval)


def normal(key: Any, shape: Sequence[int], dtype: Any) -> jax.Array:
    """As `jax.random.normal`: standard normal samples of `shape`.

    >>> key = jax.random.key(0)
    >>> bool((normal(key, (2000,), jnp.float32) == jax.random.normal(key, (2000,))).all())
    True
    """
    low, high = np.nextafter(np.float32(-1), np.float32(0)), np.float32(1)
    drawn = _drawn(key, low, high, None, "normal", shape, dtype)
    return drawn if drawn is not None else jax.random.normal(key, shape, dtype)


def truncated_normal(
    key: Any, lower: Any, upper: Any, shape: Sequence[int], dtype: Any, stddev: Any = None
) -> jax.Array:
    """As `jax.random.truncated_normal`: standard normal samples in (`lower`, `upper`); times `stddev`, a number, if given.

    >>> key = jax.random.key(0)
    >>> ours, theirs = truncated_normal(key, -2, 2, (2000,), jnp.float32), jax.random.truncated_normal(key, -2, 2, (2000,))
    >>> bool((ours == theirs).all())
    True
    """
    drawn = _drawn(key, lower, upper, stddev, "truncated_normal", shape, dtype)
    if drawn is not None:
        return drawn
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


def _drawn(key: Any, low: Any, high: Any, stddev: Any, kind: str, shape: Sequence[int], dtype: Any) -> jax.Array | None:
    """The sample, by the operations of this file; None where they are not for this case.

    Args:
      key: a random key.
      low, high: where the distribution begins and ends, as `_sample` takes them.
      stddev: a factor, or None.
      kind: "uniform", "normal" or "truncated_normal".
      shape, dtype: of the sample.
    """
    numbers = all(x is None or isinstance(x, (int, float, np.number)) for x in (low, high, stddev))
    if dtype not in (jnp.float32, np.float32) or not numbers:
        return None
    if not outermost():  # few operations: tracing a draw takes a third of the time that tracing JAX's takes
        sample = _traced(key, low, high, kind, tuple(shape))
        return sample if stddev is None else jax.lax.mul(_full_like(sample, stddev), sample)
    return _draw(key, low, high, stddev, kind, tuple(shape)) if _unrolls(key, shape) else None


def _unrolls(key: Any, shape: Sequence[int]) -> bool:
    """Whether `_draw` makes the bits that `jax.random` makes, and faster: on a CPU, for JAX's default keys."""
    return (
        jax.default_backend() == "cpu"
        and _is_threefry(key)
        and jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
        and _SMALLEST <= math.prod(shape) < 2**32
    )


def _is_threefry(key: Any) -> bool:
    if key.dtype == jnp.uint32:
        return key.shape == (2,) and jax.config.jax_default_prng_impl == "threefry2x32"  # type: ignore[attr-defined]
    return key.shape == () and str(jax.random.key_impl(key)) in (
        "threefry2x32",
        "fry",
    )  # its name, or its tag of before


@functools.partial(jax.jit, static_argnames=("kind", "shape"))
def _draw(key: Any, low: Any, high: Any, stddev: Any, kind: str, shape: tuple[int, ...]) -> jax.Array:
    data = key if key.dtype == jnp.uint32 else jax.random.key_data(key)
    return _sample(_bits(data, math.prod(shape)), low, high, stddev, kind).reshape(shape)


@functools.partial(jax.jit, static_argnames=("kind", "shape"))
def _traced(key: Any, low: Any, high: Any, kind: str, shape: tuple[int, ...]) -> jax.Array:
    return _sample(jax.random.bits(key, shape, jnp.uint32), low, high, None, kind)


def _sample(bits: jax.Array, low: Any, high: Any, stddev: Any, kind: str) -> jax.Array:
    """Samples made of random bits [...], by JAX's own sequence of operations.

    Args:
      bits: random 32-bit numbers.
      low, high: the bounds, before what `kind` makes of them.
      stddev: a factor of a truncated normal sample, or None.
      kind: "uniform", "normal" or "truncated_normal".
    """
    low, high = (jax.lax.convert_element_type(x, jnp.float32) for x in (low, high))
    root: Any = np.array(np.sqrt(2), np.float32)
    if kind == "truncated_normal":
        sample = _uniform(bits, *(jax.lax.erf(jax.lax.div(x, root)) for x in (low, high)))
    else:
        sample = _uniform(bits, low, high)
    if kind != "uniform":
        sample = jax.lax.mul(_full_like(sample, root), jax.lax.erf_inv(sample))
    if kind == "truncated_normal":
        inside = jax.lax.nextafter(low, np.float32(np.inf)), jax.lax.nextafter(high, np.float32(-np.inf))
        sample = jax.lax.clamp(inside[0], sample, inside[1])
        if stddev is not None:
            sample = jax.lax.mul(_full_like(sample, stddev), sample)
    return sample


def _uniform(bits: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """Floats in [`low`, `high`): the bits are the mantissa of a number in [1, 2)."""
    one = np.array(1, np.float32)
    mantissa = jax.lax.shift_right_logical(bits, _full_like(bits, np.uint32(9)))
    above_one = jax.lax.bitwise_or(mantissa, _full_like(bits, one.view(np.uint32)))
    floats = jax.lax.bitcast_convert_type(above_one, jnp.float32)
    low, width = _full_like(floats, low), _full_like(floats, jax.lax.sub(high, low))
    return jax.lax.max(low, jax.lax.add(jax.lax.mul(jax.lax.sub(floats, _full_like(floats, one)), width), low))


def _full_like(array: jax.Array, number: Any) -> jax.Array:
    """One number everywhere."""
    return jax.lax.broadcast(jax.lax.convert_element_type(number, array.dtype), array.shape)


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
