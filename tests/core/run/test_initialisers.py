"""`jax.nn.initializers`, which take a key, as they are."""

import functools

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure import nn


class Own:
    """An initialiser that is an object, with JAX's arguments."""

    def __call__(self, key, shape, dtype=jnp.float32):
        return jax.random.normal(key, shape, dtype)


def by_function(rng, shape, dtype):
    return jax.random.normal(rng, shape, dtype)


@pytest.mark.parametrize(
    "init",
    [
        jax.nn.initializers.glorot_uniform(),
        jax.nn.initializers.zeros,
        jax.nn.initializers.constant(2.0),
        functools.partial(jax.nn.initializers.variance_scaling(1.0, "fan_in", "normal")),
        Own(),
        by_function,
    ],
)
def test_layers_take_them(init):
    model = tn.transform(lambda x: nn.Linear(3, w_init=init)(x))
    x = jnp.ones((2, 4))
    one, again, other = (model.init(jax.random.key(seed), x)["linear"]["w"] for seed in (0, 0, 1))
    assert one.shape == (4, 3) and one.dtype == jnp.float32
    assert jnp.array_equal(one, again)
    random = init not in (jax.nn.initializers.zeros,) and "constant" not in getattr(init, "__qualname__", "")
    assert jnp.array_equal(one, other) != random


def test_each_parameter_has_its_own_key():
    init = jax.nn.initializers.normal()
    params = tn.transform(lambda x: nn.MLP([4, 4], w_init=init)(x)).init(jax.random.key(0), jnp.ones((2, 4)))
    assert not jnp.array_equal(params["mlp/~/linear_0"]["w"], params["mlp/~/linear_1"]["w"])


def test_states_take_them():
    model = tn.transform_with_state(lambda: tn.get_state("s", (3,), init=jax.nn.initializers.normal()))
    assert model.init(jax.random.key(0))[1]["~"]["s"].shape == (3,)
