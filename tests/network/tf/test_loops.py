"""A loop of the program with a gradient."""

import jax
import jax.numpy as jnp
import numpy as np

from tenure.network.tf.loops import loop


def power(x, n):
    """The n-th power of x, whose steps only n tells; the loop closes over both."""
    return loop(lambda i, _: i < n, lambda i, y: [y * x], jnp.int32(0), [jnp.ones(())])[0]


def test_the_loop_and_the_gradient_of_what_it_closes_over():
    for wrap in (lambda f: f, jax.jit):
        assert float(wrap(power)(2.0, 5)) == 32 and float(wrap(power)(2.0, 0)) == 1
        assert np.allclose(wrap(jax.grad(power))(2.0, 5), 5 * 2**4) and float(wrap(jax.grad(power))(2.0, 0)) == 0


def test_whole_numbers_among_the_variables_have_no_gradient():
    def total(x):
        count, found = loop(lambda i, k, y: k < 9, lambda i, k, y: [k + 3, y * x], jnp.int32(0), [jnp.int32(0), x])
        return found + 0.0 * count

    assert float(total(2.0)) == 16 and float(jax.grad(total)(2.0)) == 32
