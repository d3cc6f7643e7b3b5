"""Running code that uses modules, in tests."""

import jax
import jax.numpy as jnp

import tenure.haiku as hk


def test_a_function_is_initialised_and_applied():
    runs = []

    @hk.testing.transform_and_run
    def function(size):
        runs.append(hk.running_init())
        return hk.Linear(size)(jnp.ones((1, 3))) + hk.get_state("s", [], init=jnp.zeros)

    assert function(2).shape == (1, 2) and runs[-1] is False and True in runs


def test_options():
    @hk.testing.transform_and_run(seed=None, run_apply=False)
    def no_key():
        return hk.maybe_next_rng_key()

    assert no_key() is None
    traced = []

    @hk.testing.transform_and_run(jax_transform=jax.jit, map_rng=lambda key: jax.random.fold_in(key, 1))
    def jitted():
        traced.append(isinstance(hk.next_rng_key(), jax.core.Tracer))
        return jnp.ones(())

    assert jitted() == 1 and traced[-1]
