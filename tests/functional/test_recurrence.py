"""The recurrence's derivatives against those of the plain loop: every mode, every order, chunks, both directions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional import differentiated_as, gru, in_chunks, recurrence

N, B, T = 2, 3, 4
KEYS = jax.random.split(jax.random.key(0), 6)
MATRICES = {"gates": jax.random.normal(KEYS[0], (N, 2 * N)), "candidate": jax.random.normal(KEYS[1], (N, N))}
SCALE = jax.random.normal(KEYS[2], (N,))
XS = jax.random.normal(KEYS[3], (T, B, 3 * N))
MASK = jnp.arange(T)[:, None] < jnp.array([2, 4, 3])
START = jax.random.normal(KEYS[4], (B, N))
WEIGHT = jax.random.normal(KEYS[5], (T, B, N))


def step(product, scale, x, h):
    """A gated unit with two products, one behind the other, a parameter besides the matrices, and a mask."""
    x, keep = x
    new = jnp.where(keep[:, None], gru(x * scale[0], h, product) * scale, h)
    return new, new


def loss(run):
    def of(matrices, scale, xs, start):
        last, ys = run(matrices, scale, xs, start)
        return jnp.sum(WEIGHT * jnp.sin(ys)) + jnp.sum(last**3)

    return of


def plain(reverse):
    def run(matrices, scale, xs, start):
        def body(h, x):
            return step(lambda name, h: h @ matrices[name], scale, x, h)

        return jax.lax.scan(body, start, (xs, MASK), reverse=reverse)

    return loss(run)


def fast(reverse, chunk=0):
    def once(given, xs, start):
        return recurrence(step, given[0], given[1], xs, start, reverse=reverse)

    def run(matrices, scale, xs, start):
        if not chunk:
            return once((matrices, scale), (xs, MASK), start)
        return in_chunks(once, (matrices, scale), (xs, MASK), start, length=chunk, reverse=reverse)

    return loss(run)


ARGUMENTS = (MATRICES, SCALE, XS, START)
DERIVATIVES = {
    "reverse": lambda f: jax.value_and_grad(f, (0, 1, 2, 3))(*ARGUMENTS),
    "forward": lambda f: jax.jvp(f, ARGUMENTS, jax.tree.map(jnp.cos, ARGUMENTS)),
    "forward over reverse": lambda f: jax.jvp(jax.grad(f), ARGUMENTS, jax.tree.map(jnp.sin, ARGUMENTS)),
    "reverse over reverse": lambda f: jax.grad(lambda s: jnp.sum(jax.grad(f, 1)(MATRICES, s, XS, START) ** 2))(SCALE),
    "mapped": lambda f: jax.vmap(jax.grad(f, 0), (None, None, 0, None))(MATRICES, SCALE, jnp.stack([XS, -XS]), START),
}


@pytest.mark.parametrize("reverse, chunk", [(False, 0), (True, 2)])
def test_derivatives_are_those_of_the_plain_loop(reverse, chunk):
    def all_of(f):
        return {name: derive(f) for name, derive in DERIVATIVES.items()}

    expected, found = jax.jit(lambda: (all_of(plain(reverse)), all_of(fast(reverse, chunk))))()
    for name in DERIVATIVES:
        for one, other in zip(jax.tree.leaves(found[name]), jax.tree.leaves(expected[name]), strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5, err_msg=name)


def test_the_matrix_gradient_is_no_part_of_the_loop():
    def steps_of(f):
        jaxpr = jax.make_jaxpr(jax.grad(f))(*ARGUMENTS)
        return [e for e in jaxpr.eqns if e.primitive.name == "scan"][-1].params["jaxpr"]

    shapes = {tuple(MATRICES["gates"].shape)}

    def carried(f):
        return [v.aval.shape for v in steps_of(f).jaxpr.outvars if v.aval.shape in shapes]

    assert carried(plain(False)) and not carried(fast(False))


def test_no_frames():
    def run(w):
        return recurrence(step, {**MATRICES, "candidate": w}, SCALE, (XS[:0], MASK[:0]), START)

    last, ys = run(MATRICES["candidate"])
    assert ys.shape == (0, B, N) and np.array_equal(last, START)
    assert not np.any(jax.grad(lambda w: jnp.sum(run(w)[0]))(MATRICES["candidate"]))


@pytest.mark.parametrize("length", [1, 2, 5, 9, True])
def test_chunks_of_any_length(length):
    def run(scale, xs, total):
        return jax.lax.scan(lambda t, x: (t * 2 + scale * x, t), total, xs, reverse=True)

    expected = run(3.0, jnp.arange(5.0), 1.0)
    found = in_chunks(run, 3.0, jnp.arange(5.0), 1.0, length=length, reverse=True)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_memory_of_a_long_sequence():
    """2,000 steps of an LSTM of 512 units, batch 16: compiled, the training step needs less than 2 GiB."""
    from tenure.network import cells

    cell = cells.make("nativelstm2", 512)
    shapes = {name: jax.ShapeDtypeStruct(spec.shape, jnp.float32) for name, spec in cell.params(512).items()}
    x = jax.ShapeDtypeStruct((2000, 16, 512), jnp.float32)

    def temporary(remat):
        train = jax.jit(jax.grad(lambda p, x: jnp.sum(cells.run(cell, p, x, remat=remat)[0] ** 2)))
        return train.lower(shapes, x).compile().memory_analysis().temp_size_in_bytes

    assert temporary(True) < 0.4 * 2**30 < temporary(False) < 2 * 2**30


def test_differentiated_as():
    f = differentiated_as(lambda x: x * 2.0, lambda x: x * x)
    assert f(3.0) == 6.0 and jax.grad(f)(3.0) == 6.0 and jax.jvp(f, (3.0,), (1.0,))[1] == 6.0
