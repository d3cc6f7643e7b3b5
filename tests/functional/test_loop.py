"""The scan whose gradient makes products with what all steps share once, against `jax.lax.scan`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional import lstm, scan

UNITS, FEATURES, FRAMES, STEPS, BATCH = 16, 24, 5, 6, 2


def parameters():
    shapes = {
        "w": (8 + FEATURES, 4 * UNITS),
        "re": (UNITS, 4 * UNITS),
        "b": (4 * UNITS,),
        "q": (UNITS, FEATURES),
        "table": (50, FEATURES),
        "filter": (3, FEATURES, FEATURES),
    }
    keys = jax.random.split(jax.random.key(0), len(shapes))
    return {name: 0.3 * jax.random.normal(k, s) for k, (name, s) in zip(keys, shapes.items(), strict=True)}


def inputs():
    keys = jax.random.split(jax.random.key(1), 3)
    labels = jax.random.randint(keys[2], (STEPS, BATCH), 0, 50)
    return jax.random.normal(keys[0], (STEPS, BATCH, 8)), labels, jax.random.normal(keys[1], (BATCH, FRAMES, FEATURES))


def attending(run, p, x, labels, frames, **how):
    """An LSTM that attends, looks its labels up, and convolves what it attended to; matrices are changed on the way."""
    recurrent = p["re"] * 0.5

    def body(carry, given):
        (h, c, att), (x, label) = carry, given
        gates = jnp.concatenate([x, att], -1) @ p["w"] + h @ recurrent + p["b"]
        h, c = lstm(gates, c, order="gifo")
        weights = jax.nn.softmax(jnp.einsum("btd,bd->bt", frames, h @ (2 * p["q"])))
        att = jnp.einsum("bt,btd->bd", weights, frames) + jnp.take(p["table"], label, axis=0)
        rows = jax.lax.conv_general_dilated(
            att[:, None], p["filter"], (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
        )
        return (h, c, jnp.tanh(att + rows[:, 0])), (h, label)

    zeros = jnp.zeros((BATCH, UNITS))
    return run(body, (zeros, zeros, jnp.zeros((BATCH, FEATURES))), (x, labels), **how)


def loss(run, **how):
    def of(p, x, labels, frames):
        return sum(jnp.sum(jnp.square(a)) for a in jax.tree.leaves(attending(run, p, x, labels, frames, **how)))

    return of


def close(a, b, rtol=1e-4, atol=1e-4):
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, rtol=rtol, atol=atol), a, b)


@pytest.mark.parametrize("how", [{}, {"reverse": True, "unroll": 2}])
def test_values_and_gradients_are_those_of_jax(how):
    p, (x, labels, frames) = parameters(), inputs()
    found, wanted = (
        jax.jit(jax.grad(loss(run, **how), (0, 1, 3)))(p, x, labels, frames) for run in (scan, jax.lax.scan)
    )
    close(found, wanted)


def test_derivatives_of_all_orders_are_those_of_jax():
    p, (x, labels, frames) = parameters(), inputs()
    tangents = jax.tree.map(lambda a: jnp.cos(jnp.arange(a.size, dtype=a.dtype)).reshape(a.shape), p)

    @functools.partial(jax.jit, static_argnums=0)
    def by(run):
        of = lambda p: loss(run)(p, x, labels, frames)  # noqa: E731
        grad = jax.grad(of)
        forward = jax.jvp(of, (p,), (tangents,))
        squares = jax.grad(lambda p: sum(jnp.sum(jnp.square(a)) for a in jax.tree.leaves(grad(p))))(p)
        return forward, jax.jvp(grad, (p,), (tangents,))[1], squares

    for found, wanted in zip(by(scan), by(jax.lax.scan), strict=True):
        scale = max(float(jnp.max(jnp.abs(a))) for a in jax.tree.leaves(wanted))
        close(jax.tree.map(lambda a: a / scale, found), jax.tree.map(lambda a: a / scale, wanted), atol=2e-5)  # noqa: B023


def test_lanes_and_compiled_programs():
    p, (x, labels, frames) = parameters(), inputs()

    def lanes(run):
        return jax.jit(jax.vmap(jax.grad(loss(run)), (None, 0, None, None)))(p, jnp.stack([x, 2 * x]), labels, frames)

    close(lanes(scan), lanes(jax.lax.scan))


def carried(function, *args):
    """The shapes that loops in a function's program carry."""
    found = []

    def walk(jaxpr):
        for eqn in jaxpr.eqns:
            if eqn.primitive.name == "scan":
                n = eqn.params["num_consts"]
                found.extend(v.aval.shape for v in eqn.invars[n : n + eqn.params["num_carry"]])
            for inner in jax.tree.leaves(list(eqn.params.values()), is_leaf=lambda v: hasattr(v, "jaxpr")):
                if hasattr(inner, "jaxpr"):
                    walk(inner.jaxpr)

    walk(jax.make_jaxpr(function)(*args).jaxpr)
    return found


def test_no_gradient_of_a_large_array_is_added_up_step_by_step():
    p, (x, labels, frames) = parameters(), inputs()
    large = {p["w"].shape, p["re"].shape, p["table"].shape, p["filter"].shape, frames.shape}
    found, plain = (
        large & set(carried(jax.grad(loss(run), (0, 3)), p, x, labels, frames)) for run in (scan, jax.lax.scan)
    )
    assert not found
    assert plain == large


def test_a_small_factor_is_left_to_jax():
    p, (x, labels, frames) = parameters(), inputs()
    assert p["b"].shape in carried(jax.grad(loss(scan)), p, x, labels, frames)


def test_no_steps_and_no_inputs():
    w = jnp.eye(4)
    body = lambda h, _: (jnp.tanh(h @ w), h)  # noqa: E731
    last, ys = scan(body, jnp.ones((1, 4)), None, 3)
    close((last, ys), jax.lax.scan(body, jnp.ones((1, 4)), None, 3))
    grad = jax.jit(
        jax.grad(lambda w: scan(lambda h, x: (h @ w + x, h), jnp.ones((1, 4)), jnp.zeros((0, 1, 4)))[0].sum())
    )(w)
    assert not grad.any()
