"""Matrices of a kind, in every floating dtype."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_orthogonal_in_every_dtype(dtype, scale):
    init = tn.initializers.Orthogonal(scale)
    w = tn.transform(lambda: tn.get_parameter("w", (6, 4), dtype, init)).init(jax.random.key(0))["~"]["w"]
    assert w.dtype == dtype
    exact = np.asarray(w, np.float32)
    np.testing.assert_allclose(exact.T @ exact, scale**2 * np.eye(4), atol=0.05 if dtype != jnp.float32 else 1e-5)
