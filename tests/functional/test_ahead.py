"""The while loop that turns its products' fixed operands before it."""

import jax
import jax.numpy as jnp
import numpy as np

from tenure.functional import while_loop

T, B, F = 20, 8, 64
FRAMES = jax.random.normal(jax.random.key(0), (T, B, F))
W = jax.random.normal(jax.random.key(1), (F, F)) / F**0.5


def attend(run, h):
    """Steps of attention: a product with fixed frames on each side, and one with a matrix."""

    def body(carry):
        i, h = carry
        weights = jax.nn.softmax(jnp.einsum("tbf,kbf->kbt", FRAMES, jnp.tanh(h @ W)))
        return i + 1, jnp.einsum("kbt,tbf->kbf", weights, FRAMES)

    return run(lambda c: c[0] < 4, body, (jnp.int32(0), h))


def test_the_same_numbers_as_jax():
    h = jax.random.normal(jax.random.key(2), (3, B, F))
    for run in (attend, jax.jit(attend, static_argnums=0)):
        for a, b in zip(run(while_loop, h), run(jax.lax.while_loop, h), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_products_read_turned_frames():
    jaxpr = jax.make_jaxpr(lambda h: attend(while_loop, h))(jnp.ones((3, B, F)))
    (loop,) = [e for e in jaxpr.eqns if e.primitive.name == "while"]
    products = [e for e in loop.params["body_jaxpr"].eqns if e.primitive.name == "dot_general"]
    shapes = {v.aval.shape for e in products for v in e.invars if v.aval.ndim == 3}
    assert {(B, T, F), (B, F, T)} & shapes and (T, B, F) not in shapes
    assert sum(e.primitive.name == "transpose" and e.outvars[0].aval.size == T * B * F for e in jaxpr.eqns) == 2


def test_loops_without_such_products_and_with_none_at_all():
    assert while_loop(lambda x: x < 10, lambda x: 2 * x, 3) == 12
    h = while_loop(lambda h: jnp.sum(h) > 1, lambda h: 0.1 * h @ W, jnp.ones((2, F)))
    np.testing.assert_allclose(h, jax.lax.while_loop(lambda h: jnp.sum(h) > 1, lambda h: 0.1 * h @ W, jnp.ones((2, F))))


def test_under_vmap_and_with_outer_arguments():
    def over(run, frames, h):
        body = lambda c: (c[0] + 1, jnp.einsum("tbf,bf->bt", frames, c[1])[:, :1] * c[1] / T / F)  # noqa: E731
        return run(lambda c: c[0] < 3, body, (0, h))[1]

    frames, h = jnp.stack([FRAMES, 2 * FRAMES]), jnp.ones((2, B, F))
    run = jax.jit(jax.vmap(over, (None, 0, 0)), static_argnums=0)
    np.testing.assert_allclose(run(while_loop, frames, h), run(jax.lax.while_loop, frames, h), rtol=1e-4)
