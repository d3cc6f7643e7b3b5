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


KEY = jax.random.key(0)
X = jnp.ones((2, 4))


def test_an_error_inside_of_an_initialiser_stays_what_it_is():
    def broken(shape, dtype):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        tn.transform(lambda: tn.get_parameter("w", (2,), init=broken)).init(KEY)

    def misled(shape, dtype):
        return len(3)

    with pytest.raises(TypeError, match="len"):
        tn.transform(lambda: tn.get_parameter("w", (2,), init=misled)).init(KEY)


@pytest.mark.parametrize("make", ["zeros", "glorot_normal", "orthogonal", "constant"])
def test_jax_initialisers_are_taken(make):
    found = getattr(jax.nn.initializers, make)
    init = found if make == "zeros" else found(2.0) if make == "constant" else found()

    def f(x):
        tn.get_state("s", (2, 2), init=init)
        return nn.Linear(3, w_init=init)(x)

    model = tn.transform_with_state(f)
    params, state = model.init(KEY, X)
    assert params["linear"]["w"].shape == (4, 3) and state["~"]["s"].shape == (2, 2)
    again = tn.transform_with_state(f).init(jax.random.key(1), X)[0]
    assert (params["linear"]["w"] == again["linear"]["w"]).all() == (make in ("zeros", "constant"))
    assert jax.tree.structure(jax.jit(model.init)(KEY, X)) == jax.tree.structure((params, state))
