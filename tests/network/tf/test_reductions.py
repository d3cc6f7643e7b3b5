"""Reductions under TensorFlow's names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network.tf import tf


@pytest.mark.parametrize("name", ["sum", "mean", "max", "logsumexp"])
@pytest.mark.parametrize("axes", [[1, 2], (1, 2)])
def test_several_axes_of_what_is_computed(name, axes):
    x = np.random.RandomState(0).randn(2, 3, 4).astype("float32")
    reduce = getattr(tf, f"reduce_{name}")
    wanted = getattr(jax.scipy.special if name == "logsumexp" else jnp, name)(x, axis=(1, 2))
    np.testing.assert_allclose(jax.jit(lambda x: reduce(x, axis=axes))(x), wanted, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda x: reduce(x, axes))(x), wanted, rtol=1e-6)
