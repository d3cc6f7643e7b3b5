"""Keys: where a raw JAX transformation would repeat one, it is refused, as modules and state are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn

KEY = jax.random.key(0)


def noise():
    return jax.random.normal(tn.next_rng_key())


def twice(x):
    jitted = jax.jit(lambda x: x + noise())
    return jitted(x) + jitted(x)


CACHED = {
    "scan": lambda x: jax.lax.scan(lambda c, _: (c, noise()), 0, None, 4)[1],
    "fori_loop": lambda x: jax.lax.fori_loop(0, 3, lambda i, c: c + noise(), 0.0),
    "while_loop": lambda x: jax.lax.while_loop(lambda c: c < 3, lambda c: c + 1 + noise() ** 2, 0.0),
    "map": lambda x: jax.lax.map(lambda i: i + noise(), jnp.zeros(3)),
    "cond": lambda x: jax.lax.cond(True, lambda: noise(), lambda: 0.0),
    "jit": twice,
    "checkpoint": lambda x: jax.checkpoint(lambda x: x * noise())(x),
    "dropout in a scan": lambda x: jax.lax.scan(lambda c, _: (c, nn.dropout(tn.next_rng_key(), 0.5, x)), 0, None, 2)[1],
    "maybe_next_rng_key": lambda x: jax.lax.map(lambda i: jax.random.normal(tn.maybe_next_rng_key()), jnp.zeros(3)),
    "next_rng_keys": lambda x: jax.lax.map(lambda i: jax.random.key_data(tn.next_rng_keys(2)), jnp.zeros(3)),
    "vmap in a scan": lambda x: jax.lax.scan(lambda c, _: (c, jax.vmap(lambda y: y + noise())(x)), 0, None, 2)[1],
}


@pytest.mark.parametrize("name", CACHED)
def test_a_key_that_a_raw_transformation_would_repeat_is_refused(name):
    model = tn.transform(CACHED[name])
    for run in (lambda x: model.plan(x), lambda x: model.apply({}, KEY, x), lambda x: jax.jit(model.apply)({}, KEY, x)):
        with pytest.raises(tn.errors.CachedTransformError, match="random key") as error:
            run(jnp.ones(2))
        assert "test_rng.py" in str(error.value) and "tn.scan" in str(error.value)


@pytest.mark.parametrize("transform", [jax.vmap, lambda f: jax.grad(lambda x: f(x).sum()), lambda f: f])
def test_what_runs_python_each_time_draws_keys(transform):
    model = tn.transform(lambda x: transform(lambda y: y * noise())(x))
    assert jax.jit(model.apply)({}, KEY, jnp.ones(2)).shape == (2,)


def test_tenures_own_loops_draw_another_key_in_each_step():
    model = tn.transform(lambda: tn.scan(lambda c, _: (c, noise()), 0, None, 4)[1])
    assert len(set(jax.jit(model.apply)({}, KEY).tolist())) == 4


def test_without_a_key_nothing_is_refused():
    model = tn.transform(lambda: jax.lax.map(lambda i: tn.maybe_next_rng_key() is None, jnp.zeros(3)))
    assert model.apply({}, None).all()


def test_a_raw_transformation_within_one_of_ours_and_the_users_own_jit_outside_are_fine():
    def f(x):
        body = tn.remat(lambda x: jax.vmap(lambda y: nn.Linear(3)(y) + noise())(x))
        return tn.scan(lambda c, _: (body(c), None), x, None, 2)[0]

    model = tn.transform(f)
    params = jax.jit(model.init)(KEY, jnp.ones((2, 3)))
    assert jax.jit(model.apply)(params, KEY, jnp.ones((2, 3))).shape == (2, 3)


def test_random_keys_depend_on_paths_and_not_on_order():
    def draws(order):
        def f():
            made = {name: tn.to_module(lambda: jax.random.normal(tn.next_rng_key()))(name) for name in order}
            return {name: module() for name, module in made.items()}

        return tn.transform(f).apply({}, jax.random.key(0))

    one, two = draws("abc"), draws("cbda")
    assert all(one[k] == two[k] for k in "abc") and len({float(v) for v in two.values()}) == 4


def test_random_keys_in_loops_and_lanes_differ():
    def f():
        draw = lambda *_: ((), jax.random.normal(tn.next_rng_key()))  # noqa: E731
        steps = tn.scan(draw, (), None, length=3)[1]
        lanes = tn.vmap(lambda x: x + jax.random.normal(tn.next_rng_key()))(jnp.zeros(3))
        same = tn.vmap(lambda x: x + jax.random.normal(tn.next_rng_key()), split_rng=False)(jnp.zeros(3))
        layers = tn.layer_stack(3, with_per_layer_inputs=True)(lambda x, _: (x, draw()[1]))(
            jnp.zeros(()), jnp.zeros(3)
        )[1]
        return steps, lanes, layers, same

    *different, same = tn.transform(f).apply({}, 0)
    drawn = np.concatenate(different)
    assert len(set(drawn.tolist())) == 9 and len(set(same.tolist())) == 1
