"""Output shapes without the work that they do not depend on; keys that are split off at once."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure.haiku as hk


def test_shapes_are_those_of_jax_and_no_initialiser_runs():
    ran = []

    def init(shape, dtype):
        ran.append(shape)
        return jnp.ones(shape, dtype)

    model = hk.transform(lambda x: hk.dropout(hk.next_rng_key(), 0.5, hk.Linear(2, w_init=init)(x)))
    x = jnp.ones((1, 3))
    found = hk.experimental.fast_eval_shape(model.init, jax.random.PRNGKey(0), x)
    assert not ran
    assert jax.tree.map(jnp.shape, found) == {"linear": {"w": (3, 2), "b": (2,)}}


def test_keys_are_different_and_as_many_as_are_drawn():
    model = hk.transform(hk.experimental.optimize_rng_use(lambda: [hk.next_rng_key() for _ in range(4)]))
    keys = np.array(model.apply({}, jax.random.PRNGKey(0)))
    assert len(np.unique(keys, axis=0)) == 4
