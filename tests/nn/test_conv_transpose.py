"""Transposed convolutions: the adjoints of convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn
from tests.nn.small import apply


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize("stride", [1, 2])
def test_it_is_the_gradient_of_a_convolution(stride, padding):
    """`nn.Conv1DTranspose` turns the kernel round, as JAX's `conv_transpose` does."""
    y = jax.random.normal(jax.random.key(0), (2, 4, 3))
    model = tn.transform(lambda y: nn.Conv1DTranspose(5, 3, stride=stride, padding=padding, with_bias=False)(y))
    params = model.init(jax.random.key(1), y)
    out = model.apply(params, None, y)
    w = params["conv1_d_transpose"]["w"]  # [K, outputs, inputs]
    conv = tn.transform(lambda x: nn.Conv1D(3, 3, stride=stride, padding=padding, with_bias=False)(x))
    x = jnp.zeros(out.shape)
    assert conv.plan(x).out.shape == y.shape
    _, pull = jax.vjp(lambda x: conv.apply({"conv1_d": {"w": w[::-1]}}, None, x), x)
    np.testing.assert_allclose(out, pull(y)[0], atol=1e-5)


def test_shapes_that_are_asked_for():
    y = jnp.ones((1, 4, 4, 3))
    for size in (7, 8):
        assert apply(lambda y, n=size: nn.Conv2DTranspose(2, 3, stride=2, output_shape=n)(y), y).shape == (
            1,
            size,
            size,
            2,
        )
    with pytest.raises(ValueError, match="9 outputs come from 5 inputs"):
        apply(lambda y: nn.Conv2DTranspose(2, 3, stride=2, output_shape=9)(y), y)
