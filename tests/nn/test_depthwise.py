"""Depthwise convolutions: each channel has kernels of its own."""

import jax
import jax.numpy as jnp
import numpy as np

from tenure import nn
from tests.nn.small import run

X = jax.random.normal(jax.random.key(0), (2, 6, 3))


def test_each_channel_is_convolved_alone():
    params, _, out = run(lambda x: nn.DepthwiseConv1D(2, 3, padding="VALID", with_bias=False)(x), X)
    (found,) = params.values()
    w = np.asarray(found["w"])  # [K, 1, channels · 2]
    assert w.shape == (3, 1, 6) and out.shape == (2, 4, 6)
    for n in range(6):
        channel = np.asarray(X)[..., n // 2]
        expected = sum(channel[:, k : k + 4] * w[k, 0, n] for k in range(3))
        np.testing.assert_allclose(out[..., n], expected, atol=1e-5)


def test_separable_convolutions_mix_the_channels_afterwards():
    x = jnp.moveaxis(jax.random.normal(jax.random.key(1), (1, 3, 5, 5)), 1, -1)
    params, _, out = run(lambda x: nn.SeparableDepthwiseConv2D(2, 4, 3)(x), x)
    shapes = sorted(jax.tree.map(jnp.shape, params[name]).get("w") for name in params)
    assert out.shape == (1, 5, 5, 4) and len(shapes) == 2
