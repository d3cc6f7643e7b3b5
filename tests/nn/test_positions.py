"""Where in a sequence a token is: rotations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure import nn
from tests.nn.attending import X, attention, run


def test_rotary_products_depend_on_differences() -> None:
    q, k = jax.random.normal(jax.random.key(0), (2, 1, 1, 1, 8))

    def product(i: int, j: int) -> jax.Array:
        return jnp.sum(nn.rotary(q, jnp.array([[i]])) * nn.rotary(k, jnp.array([[j]])))

    assert jnp.allclose(product(3, 1), product(103, 101), atol=1e-4)
    assert not jnp.allclose(product(3, 1), product(3, 2), atol=1e-3)
    np.testing.assert_allclose(nn.rotary(q, jnp.array([[7]])).std(), q.std(), rtol=0.2)
    np.testing.assert_array_equal(nn.rotary(q, jnp.array([[0]])), q)


def test_rotary_attention_ignores_a_shift_of_all_positions() -> None:
    def model(x: jax.Array, start: jax.Array) -> jax.Array:
        return attention(rotary=True)(x, x, x, causal=True, position=start)

    np.testing.assert_allclose(run(model, X, jnp.int32(0)), run(model, X, jnp.int32(17)), atol=1e-4)
    assert not np.allclose(run(model, X, jnp.int32(0)), run(lambda x: attention()(x, x, x, causal=True), X))


def test_odd_sizes_cannot_be_rotated() -> None:
    with pytest.raises(ValueError, match="even"):
        nn.rotary(jnp.ones((1, 1, 1, 3)), jnp.zeros((1, 1)))
