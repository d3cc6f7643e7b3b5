"""Each row of the table of raw JAX transformations in docs/jax.md is what happens."""

import pathlib
import re

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure import nn

PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "jax.md").read_text(encoding="utf-8")
ROWS = {
    name.strip("`"): cells
    for line in re.findall(r"^\| (`jax.*) \|$", PAGE, re.MULTILINE)
    for names, *cells in [[cell.strip() for cell in line.split(" | ")]]
    for name in names.split(", ")
}
X, KEY = jnp.ones((3, 4)), jax.random.key(0)


def derivative(call):
    def custom(body, x):
        f = jax.custom_jvp(body) if call == "jvp" else jax.custom_vjp(body)
        if call == "jvp":
            f.defjvp(lambda primals, tangents: (body(*primals), tangents[0]))
        else:
            f.defvjp(lambda x: (body(x), None), lambda _, g: (g,))
        return f(x)

    return custom


RAW = {  # each runs a body from (3, 4) to (3, 4), or lane by lane
    "jax.vmap": lambda body, x: jax.vmap(body)(x),
    "jax.grad": lambda body, x: jax.grad(lambda x: body(x).sum())(x),
    "jax.value_and_grad": lambda body, x: jax.value_and_grad(lambda x: body(x).sum())(x)[1],
    "jax.jvp": lambda body, x: jax.jvp(body, (x,), (x,))[1],
    "jax.vjp": lambda body, x: jax.vjp(body, x)[0],
    "jax.linearize": lambda body, x: jax.linearize(body, x)[0],
    "jax.jit": lambda body, x: jax.jit(body)(x),
    "jax.checkpoint": lambda body, x: jax.checkpoint(body)(x),
    "jax.lax.scan": lambda body, x: jax.lax.scan(lambda c, _: (body(c), None), x, None, 2)[0],
    "jax.lax.map": lambda body, x: jax.lax.map(body, x),
    "jax.lax.fori_loop": lambda body, x: jax.lax.fori_loop(0, 2, lambda i, x: body(x), x),
    "jax.lax.while_loop": lambda body, x: jax.lax.while_loop(lambda x: x.sum() < 0, body, x),
    "jax.lax.cond": lambda body, x: jax.lax.cond(x.sum() > 0, body, lambda x: x, x),
    "jax.lax.switch": lambda body, x: jax.lax.switch(0, [body, lambda x: x], x),
    "jax.eval_shape": lambda body, x: jnp.zeros(jax.eval_shape(body, x).shape),
    "jax.custom_jvp": derivative("jvp"),
    "jax.custom_vjp": derivative("vjp"),
}


def test_the_table_has_a_row_for_each():
    assert set(ROWS) == set(RAW)
    for *_, instead in ROWS.values():
        for name in re.findall(r"`tn\.(\w+)`", instead):
            assert callable(getattr(tn, name))


def calls(raw):
    def f(x):
        layer = nn.Linear(4)
        return raw(lambda x: layer(x), x)

    return f


def builds(raw):
    return lambda x: raw(lambda x: nn.Linear(4)(x), x)


def draws(raw):
    return lambda x: raw(lambda x: x + jax.random.normal(tn.next_rng_key()), x)


def sets(raw):
    def body(x):
        tn.set_state("last", x)
        return x

    return lambda x: raw(body, x)


def runs(f):
    model = tn.transform_with_state(f)
    try:
        params, state = model.init(KEY, X)
        model.apply(params, state, KEY, X)
        jax.jit(model.apply)(params, state, KEY, X)
    except (tn.errors.CachedTransformError, tn.errors.LeakedTracerError):
        return "error"
    return "yes"


@pytest.mark.parametrize("name", RAW)
def test_a_row_of_the_table_is_what_happens(name):
    says = [cell.partition(",")[0] for cell in ROWS[name][:4]]
    assert says == [runs(make(RAW[name])) for make in (calls, builds, draws, sets)]
