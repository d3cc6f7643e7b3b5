"""Depthwise convolutions: each channel has kernels of its own."""

import jax
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


def test_separable_convolutions_go_along_the_rows_and_then_along_the_columns():
    x = jax.random.normal(jax.random.key(1), (1, 5, 6, 2))
    layer = lambda x: nn.SeparableDepthwiseConv2D(2, 3, padding="VALID", with_bias=False)(x)  # noqa: E731
    params, _, out = run(layer, x)
    rows, columns = (np.asarray(p["w"]) for p in params.values())
    assert rows.shape == (3, 1, 1, 4) and columns.shape == (1, 3, 1, 4) and out.shape == (1, 3, 4, 4)
    for n in range(4):
        kernel = rows[:, 0, 0, n][:, None] * columns[0, :, 0, n]
        channel = np.asarray(x)[0, ..., n // 2]
        expected = sum(channel[i : i + 3, j : j + 4] * kernel[i, j] for i in range(3) for j in range(3))
        np.testing.assert_allclose(out[0, ..., n], expected, atol=1e-5)
