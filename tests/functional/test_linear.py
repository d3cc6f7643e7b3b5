"""Affine maps along any axis, and the gradient of a matrix with rows turned first against JAX's own."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional import affine, recurrence, scan
from tenure.nn.traced import traced_once

linear = importlib.import_module("tenure.functional.linear")
X = jax.random.normal(jax.random.key(0), (4, 6, 5))
W = jax.random.normal(jax.random.key(1), (5, 3))
B = jnp.ones(3)
MATRIX, BIAS = jax.random.normal(jax.random.key(0), (4, 5)), jnp.arange(5.0)


@pytest.fixture
def any_work(monkeypatch):
    for name in ("LEAST_ROWS", "LEAST_OUTPUTS", "LEAST_WORK"):
        monkeypatch.setattr(linear, name, 0)


def ours(x, w):
    return jnp.sum(jnp.tanh(affine(x, w, B)) ** 2)


def plain(x, w):
    return jnp.sum(jnp.tanh(x @ w + B) ** 2)


def turned(f, *arrays, **how):
    """How many operands a gradient turns first."""
    return jax.jit(jax.grad(f, (0, 1))).trace(*arrays).lower(**how).as_text().count("optimization_barrier")


def test_derivatives_are_those_of_the_plain_form(any_work):
    derivatives = {
        "reverse": lambda f: jax.value_and_grad(f, (0, 1))(X, W),
        "matrix": lambda f: jax.grad(f, 1)(X, W),
        "rows": lambda f: jax.grad(f, 0)(X, W),
        "forward": lambda f: jax.jvp(f, (X, W), (jnp.cos(X), jnp.sin(W))),
        "second": lambda f: jax.jvp(jax.grad(f, (0, 1)), (X, W), (jnp.cos(X), jnp.sin(W))),
        "mapped": lambda f: jax.vmap(jax.grad(f, (0, 1)), (None, 0))(X, jnp.stack([W, -W])),
        "mapped rows": lambda f: jax.vmap(jax.grad(f, 1), (0, None))(X, W),
    }
    both = jax.jit(lambda: [{k: d(f) for k, d in derivatives.items()} for f in (ours, plain)])()
    for one, other in zip(*map(jax.tree.leaves, both), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_rows_are_turned_on_cpus_only(any_work):
    assert turned(ours, X, W, lowering_platforms=("cpu",)) == 1
    assert turned(ours, X, W, lowering_platforms=("cuda",)) == turned(plain, X, W) == 0


def test_an_uncompiled_gradient_is_that_of_jax_and_compiles_nothing_anew(any_work, caplog):
    for _ in range(2):
        caplog.clear()
        with jax.log_compiles(True):
            jax.grad(ours, (0, 1))(X, W)
    assert not [r.getMessage() for r in caplog.records if "compil" in r.getMessage().lower()]


def test_only_where_it_pays():
    x, w = jnp.ones((8, 64, 64)), jnp.ones((64, 64))
    assert turned(lambda x, w: affine(x, w).sum(), x, w) == 1
    assert turned(lambda x, w: affine(x, w).sum(), x[:, :7], w) == 0  # few rows
    assert turned(lambda x, w: affine(x, w).sum(), x.astype("bfloat16"), w.astype("bfloat16")) == 0


def test_a_symbolic_batch(any_work):
    (n,) = jax.export.symbolic_shape("n")
    exported = jax.export.export(jax.jit(jax.grad(ours, 1)))(jax.ShapeDtypeStruct((n, 6, 5), X.dtype), W)
    np.testing.assert_allclose(exported.call(X, W), jax.grad(plain, 1)(X, W), rtol=1e-4, atol=1e-5)


def test_not_a_number_reaches_its_own_columns_only(any_work):
    gradient = jax.jit(jax.grad(lambda x, w: affine(x, w).sum(), 1))(X.at[0, 0, 0].set(jnp.nan), W)
    assert np.isnan(gradient).all(1).tolist() == [True, False, False, False, False]


def test_the_products_of_a_loop_are_gathered_as_ever(any_work):
    w = jnp.ones((64, 64))
    kept = traced_once()(affine)  # whose equations JAX keeps from its first call

    def body_with(mapped):
        def body(h, x):
            h = jnp.tanh(mapped(h, w) + x)
            return h, h

        return body

    def seen(mapped):
        of = importlib.import_module("tenure.functional.body").Body
        return [p.eqn.primitive.name for p in of(body_with(mapped), jnp.zeros((2, 64)), jnp.zeros((1,))).products]

    assert seen(affine) == ["dot_general"]
    assert scan(body_with(affine), jnp.zeros((2, 64)), X[0, :, :1])[1].shape == (6, 2, 64)
    for _ in range(2):
        assert turned(lambda x, w: kept(x, w).sum(), jnp.zeros((2, 64)), w) == 1
        assert seen(kept) == ["dot_general"]


def test_the_matrix_of_a_recurrence(any_work):
    def loss(w):
        def step(product, params, x, h):
            h = jnp.tanh(x + product("w", h))
            return h, h

        return jnp.sum(recurrence(step, {"w": w}, (), X[..., :3], jnp.zeros((6, 3)))[1] ** 2)

    def scanned(w):
        def body(h, x):
            h = jnp.tanh(x + h @ w)
            return h, h

        return jnp.sum(jax.lax.scan(body, jnp.zeros((6, 3)), X[..., :3])[1] ** 2)

    w = W[:3]
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(w), jax.grad(scanned)(w), rtol=1e-4, atol=1e-5)
    assert turned(lambda w, _: loss(w), w, 1.0) == 1


@pytest.mark.parametrize("axis", [-1, 0, 1, 2])
@pytest.mark.parametrize("bias", [None, BIAS])
def test_along_any_axis(axis, bias):
    shape = [2, 3, 6]
    shape[axis] = 4
    x = jax.random.normal(jax.random.key(1), shape)
    expected = np.moveaxis(
        np.moveaxis(np.asarray(x), axis, -1) @ np.asarray(MATRIX) + (0 if bias is None else np.asarray(bias)), -1, axis
    )
    np.testing.assert_allclose(affine(x, MATRIX, bias, axis=axis), expected, atol=1e-5)


def test_labels_are_rows_and_those_beyond_the_last_mean_the_last():
    found = affine(jnp.array([[0, 3], [9, 1]]), MATRIX, BIAS)
    np.testing.assert_allclose(found, np.asarray(MATRIX)[[[0, 3], [3, 1]]] + np.asarray(BIAS), atol=1e-6)
