"""The gradient of a kernel in parts of the batch against JAX's own."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional import convolve

conv = importlib.import_module("tenure.functional.conv")
NHWC = ("NHWC", "HWIO", "NHWC")
X = jax.random.normal(jax.random.key(0), (8, 6, 5, 2))
W = jax.random.normal(jax.random.key(1), (3, 2, 2, 3))


@pytest.fixture
def any_work(monkeypatch):
    monkeypatch.setattr(conv, "LEAST_WORK", 0)


def loss(split, **how):
    def of(x, w):
        y = convolve(x, w, (2, 1), "SAME", split=split, dimension_numbers=NHWC, **how)
        return jnp.sum(jnp.tanh(y) ** 2)

    return of


def test_derivatives_are_those_of_the_plain_form(any_work):
    derivatives = {
        "reverse": lambda f: jax.value_and_grad(f, (0, 1))(X, W),
        "forward": lambda f: jax.jvp(f, (X, W), (jnp.cos(X), jnp.sin(W))),
        "second": lambda f: jax.jvp(jax.grad(f, 1), (X, W), (jnp.cos(X), jnp.sin(W))),
        "mapped": lambda f: jax.vmap(jax.grad(f, 1), (None, 0))(X, jnp.stack([W, -W])),
    }
    both = jax.jit(lambda: [{k: d(loss(split)) for k, d in derivatives.items()} for split in (True, False)])()
    for one, other in zip(*map(jax.tree.leaves, both), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def kernels(f, *arrays, **how):
    """How many convolutions the gradient by the kernel compiles to."""
    return jax.jit(jax.grad(f, 1)).trace(*arrays).lower(**how).as_text().count("stablehlo.convolution")


def test_parts_are_made_on_cpus_only(any_work):
    assert kernels(loss(True), X, W, lowering_platforms=("cpu",)) == 1 + conv.PARTS
    assert kernels(loss(True), X, W, lowering_platforms=("cuda",)) == kernels(loss(False), X, W) == 2


def test_no_parts_where_they_do_not_pay(any_work, monkeypatch):
    assert kernels(loss(True), X[:6], W) == 2  # 6 examples do not make 4 equal parts
    monkeypatch.setattr(conv, "LEAST_WORK", 10**9)
    assert kernels(loss(True), X, W) == 2


def test_a_symbolic_batch(any_work):
    (n,) = jax.export.symbolic_shape("n")
    x = jax.ShapeDtypeStruct((n, *X.shape[1:]), X.dtype)
    exported = jax.export.export(jax.jit(jax.grad(loss(True), 1)))(x, W)
    np.testing.assert_allclose(exported.call(X, W), jax.grad(loss(False), 1)(X, W), rtol=1e-4, atol=1e-5)
