"""Linear layers: options that change gradients."""

import jax
import jax.numpy as jnp

from tenure.network.layers.linear import gradient_filter


def test_a_gradient_filter_drops_the_gradients_of_whole_sequences():
    x = jnp.zeros((2, 3, 4))
    scale = jnp.ones((2, 3, 4)).at[0, 1, 2].set(5.0)  # one large element in the first sequence
    grads = jax.grad(lambda x: jnp.sum(gradient_filter(x, 0, 10.0) * scale))(x)
    assert not jnp.any(grads[0]) and jnp.array_equal(grads[1], scale[1])
    assert jnp.array_equal(jax.grad(lambda x: jnp.sum(gradient_filter(x, 0, 26.0) * scale))(x), scale)
