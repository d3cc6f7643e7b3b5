"""Random numbers by TensorFlow's names."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure.network.tf import tf


def test_each_step_of_a_loop_draws_other_numbers():
    def noisy(n):
        def body(i, x):
            return i + 1, x.at[i].set(tf.random.uniform(()))

        return tf.while_loop(lambda i, x: tf.less(i, n), body, (0, jnp.zeros(5)))[1]

    model = tn.transform(noisy)
    draw = lambda n: np.asarray(jax.jit(lambda n: model.apply({}, jax.random.key(0), n))(n))  # noqa: E731
    assert len(set(draw(5).tolist())) == 5 and np.allclose(draw(3)[:3], draw(5)[:3])
