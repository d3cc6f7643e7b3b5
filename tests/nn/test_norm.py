"""Normalisation within one example: layer, RMS and instance norm, against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure import nn
from tests.nn.small import apply, run

X = 3 * jax.random.normal(jax.random.key(0), (2, 4, 5)) + 7


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("axis", [-1, (1, 2), slice(1, None)])
def test_layer_norm(axis, fast):
    out = apply(lambda x: nn.LayerNorm(axis, True, True, use_fast_variance=fast)(x), X)
    axes = (1, 2) if axis != -1 else (2,)
    expected = (X - X.mean(axes, keepdims=True)) / np.sqrt(X.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(out, expected, atol=1e-3 if fast else 1e-5)


def test_rms_norm():
    expected = X / np.sqrt((X**2).mean(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(apply(lambda x: nn.RMSNorm(-1)(x), X), expected, rtol=1e-5)


def test_instance_norm_has_statistics_of_each_channel():
    out = apply(lambda x: nn.InstanceNorm(True, True)(x), X)
    np.testing.assert_allclose(out.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(1), 1, atol=1e-4)


def test_parameters_vary_along_the_axes_that_are_asked_for():
    params, _, _ = run(lambda x: nn.LayerNorm(-1, True, True, param_axis=(1, 2))(x), X)
    assert jax.tree.map(jnp.shape, params) == {"layer_norm": {"scale": (1, 4, 5), "offset": (1, 4, 5)}}
    params, _, _ = run(lambda x: nn.LayerNorm(-1, False, False)(x, jnp.ones(5), jnp.ones(5)), X)
    assert params == {}


def test_a_scale_comes_from_one_side_only():
    with pytest.raises(ValueError, match="Cannot set `scale_init`"):
        apply(lambda x: nn.LayerNorm(-1, False, True, scale_init=jnp.ones)(x), X)
    with pytest.raises(ValueError, match="Cannot pass `offset`"):
        apply(lambda x: nn.LayerNorm(-1, True, True)(x, offset=jnp.ones(5)), X)
