"""JAX's transformations are one engine for both front ends: what a body builds, draws and sets comes out of it."""

import haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import haiku as hk
from tenure import nn

KEY, X = jax.random.PRNGKey(0), jnp.ones((4, 3))


@pytest.mark.parametrize("run", [tn.scan, hk.scan], ids=["tenure", "haiku"])
def test_a_module_built_in_a_loop_is_one_module(run):
    layers = nn if run is tn.scan else hk
    model = (tn if run is tn.scan else hk).transform(
        lambda x: run(lambda c, x: (c + layers.Linear(3)(x), c), jnp.zeros(3), x)
    )
    params = model.init(KEY, X)
    assert {path: sorted(bundle) for path, bundle in params.items()} == {"linear": ["b", "w"]}
    total, before = model.apply(params, None, X)
    step = X[0] @ params["linear"]["w"]
    np.testing.assert_allclose(total, 4 * step, rtol=1e-6)
    np.testing.assert_allclose(before, jnp.arange(4)[:, None] * step, rtol=1e-6)


def bodies(lib, x):
    """Keys and state in the bodies of all that threads them, in one program."""
    linear = lib.Linear(3)

    def count(x):
        lib.set_state("n", lib.get_state("n", [], init=jnp.zeros) + 1)
        return x * jax.random.uniform(lib.next_rng_key())

    lib.reserve_rng_keys(2)
    x, drawn = lib.scan(lambda c, x: (count(linear(c)), lib.next_rng_key()), x[0], x)
    x = lib.fori_loop(0, 3, lambda i, x: count(linear(x)), x)
    x = lib.cond(x.sum() > 0, lambda x: count(x), lambda x: count(-x), x)
    x = lib.switch(1, [lambda x: x, count], x) if not lib.running_init() else count(x)
    x = x if lib.running_init() else lib.while_loop(lambda x: x.sum() < 30, lambda x: x + 1 + count(x) ** 2, x)
    x = lib.remat(lambda x: count(lib.Linear(3)(x)))(x)
    lanes = lib.vmap(lambda x: count(x) * 0 + x, split_rng=False)(x[None])
    return lanes, drawn, lib.grad(lambda x: count(x).sum())(x), lib.next_rng_key()


@pytest.mark.slow
def test_keys_and_state_go_through_bodies_as_in_haiku():
    made = []
    for lib in (haiku, hk):
        model = lib.transform_with_state(lambda x, lib=lib: bodies(lib, x))
        params, state = model.init(KEY, X)
        made.append((dict(params), dict(state), *model.apply(params, state, KEY, X)[:1], model))
    theirs, ours = made
    assert jax.tree.structure(theirs[:3]) == jax.tree.structure(ours[:3])
    for one, two in zip(jax.tree.leaves(theirs[:3]), jax.tree.leaves(ours[:3]), strict=True):
        np.testing.assert_array_equal(one, two)
    state = [m.apply(p, s, KEY, X)[1] for p, s, _, m in made]
    np.testing.assert_array_equal(state[0]["~"]["n"], state[1]["~"]["n"])


def test_an_error_of_vmap_counts_the_arguments_of_the_function():
    with pytest.raises(ValueError, match=r"args\[1\].* of type") as e:
        tn.transform(lambda x: tn.vmap(lambda x, y: x)(x, x[:2])).plan(X)
    assert "args[2]" not in str(e.value)


def test_static_arguments_of_jit_and_remat_are_counted_without_what_is_threaded():
    def scaled(x, n):
        return nn.Linear(2)(x) * (3 if n == "three" else 1)

    model = tn.transform(
        lambda x: (tn.jit(scaled, static_argnums=1)(x, "three"), tn.remat(scaled, static_argnums=-1)(x, ""))
    )
    params = model.init(KEY, X)
    one, two = model.apply(params, None, X)
    np.testing.assert_allclose(one, 3 * X @ params["linear"]["w"], rtol=1e-6)
    np.testing.assert_allclose(two, X @ params["linear_1"]["w"], rtol=1e-6)


GRID = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_state_is_threaded_through_every_transformation():
    def count(x):
        n = tn.get_state("n", (), jnp.int32, jnp.zeros)
        tn.set_state("n", n + 1)
        return x + n

    def f(x):
        x = tn.jit(count)(x)
        x = tn.remat(count)(x)
        x = tn.vmap(count)(x)
        x = tn.scan(lambda c, _: (count(c), ()), x, None, length=3)[0]
        x = tn.fori_loop(0, 2, lambda i, c: count(c), x)
        x = tn.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, count(c[1])), (0, x))[1]
        x = tn.cond(True, count, lambda x: x, x)
        x = tn.switch(0, [count, lambda x: x], x)
        return tn.grad(lambda x: count(x).sum())(x)

    model = tn.transform_with_state(f)
    params, state = model.init(None, GRID)
    assert state == {"~": {"n": 0}}
    for run in (model.apply, jax.jit(model.apply)):
        assert run(params, state, None, GRID)[1] == {"~": {"n": 13}}
