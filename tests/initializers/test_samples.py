"""Samples: `jax.random`'s own bits, however many, and wherever they are drawn."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.initializers import samples

KEY = jax.random.PRNGKey(3)
SHAPES = [(), (7,), (1024,), (1025,), (33, 41), (3, 3, 16, 32), (0, 5), (2, 1, 600, 1)]


def bits(array: Any) -> Any:
    return np.asarray(array).view(np.uint32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("key", [KEY, jax.random.wrap_key_data(KEY), np.asarray(KEY)], ids=["raw", "typed", "numpy"])
def test_same_bits(shape: tuple[int, ...], key: Any) -> None:
    pairs = [
        (samples.normal(key, shape, jnp.float32), jax.random.normal(key, shape)),
        (samples.uniform(key, shape, jnp.float32, -0.3, 7), jax.random.uniform(key, shape, minval=-0.3, maxval=7)),
        (
            samples.truncated_normal(key, -2.0, 1.5, shape, jnp.float32, 0.1),
            np.float32(0.1) * jax.random.truncated_normal(key, -2.0, 1.5, shape),
        ),
    ]
    for ours, theirs in pairs:
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_array_equal(bits(ours), bits(theirs))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other devices draw fast enough")
def test_which_keys_are_drawn_from_here() -> None:
    """JAX's default keys, raw or typed, are known by the name of their hash, which JAX has changed once."""
    assert samples._unrolls(KEY, (64, 64)) and samples._unrolls(jax.random.key(3), (64, 64))
    assert not samples._unrolls(jax.random.key(3, impl="rbg"), (64, 64)) and not samples._unrolls(KEY, (2, 2))


@pytest.mark.parametrize("number", [-3.0, -1, 0.0, 0.5, 2.5])
def test_tails(number: float) -> None:
    """A million samples reach far into the tails, where the inverse of the error function has another branch."""
    ours = samples.truncated_normal(KEY, number, 4.0, (2**20,), jnp.float32)
    np.testing.assert_array_equal(bits(ours), bits(jax.random.truncated_normal(KEY, number, 4.0, (2**20,))))


def test_other_keys_and_dtypes_are_left_to_jax() -> None:
    for key in (KEY, jax.random.key(0, impl="rbg")):
        for dtype in (jnp.bfloat16, jnp.float16):
            ours = samples.normal(key, (2000,), dtype)
            assert ours.dtype == dtype and (ours == jax.random.normal(key, (2000,), dtype)).all()
    with jax.enable_x64(True):
        assert (samples.normal(KEY, (2000,), jnp.float64) == jax.random.normal(KEY, (2000,), jnp.float64)).all()
    with jax.threefry_partitionable(False):
        assert (samples.normal(KEY, (2000,), jnp.float32) == jax.random.normal(KEY, (2000,))).all()


@pytest.mark.parametrize("key", [KEY, jax.random.key(5), jax.random.key(0, impl="rbg")], ids=["raw", "typed", "rbg"])
def test_in_a_trace_the_bits_are_jax_own(key: Any) -> None:
    def draws(key: Any, of: Any) -> Any:
        normal = of.normal(key, (3, 7), jnp.float32), of.uniform(key, (2, 1, 5), jnp.float32, -0.3, 7)
        return *normal, of.uniform(key, (), jnp.float32), of.truncated_normal(key, -2.0, 1.5, (33, 41), jnp.float32)

    for ours, theirs in zip(*(jax.jit(draws, static_argnums=1)(key, of) for of in (samples, jax.random))):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_array_equal(bits(ours), bits(theirs))
    ours = jax.vmap(lambda k: samples.truncated_normal(k, -2, 2, (5,), jnp.float32, 0.1))(jax.random.split(key, 3))
    theirs = jax.vmap(lambda k: jax.random.truncated_normal(k, -2, 2, (5,)))(jax.random.split(key, 3))
    np.testing.assert_array_equal(bits(ours), bits(np.float32(0.1) * theirs))


def test_in_a_trace_no_round_is_unrolled() -> None:
    """Compiled, the unrolled rounds would make large programs; and what is written down once per shape is short."""
    traced = jax.make_jaxpr(lambda key: samples.truncated_normal(key, -2, 2, (2000,), jnp.float32, 0.1))(KEY)
    names = [str(equation.primitive) for equation in traced.jaxpr.eqns]
    assert "random_bits" in str(traced) and len(names) < 40, names


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.int32, jnp.bfloat16, bool])
def test_full(dtype: Any) -> None:
    ours, theirs = samples.full((2, 3), 1, dtype), jnp.full((2, 3), 1, dtype)
    assert ours.dtype == theirs.dtype and ours.weak_type == theirs.weak_type and (ours == theirs).all()
