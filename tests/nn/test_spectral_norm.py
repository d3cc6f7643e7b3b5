"""Spectral normalisation, next to singular values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn

W = jax.random.normal(jax.random.key(0), (5, 4)) + 9 * jnp.eye(5, 4)[:, :1]  # one singular value is much the largest


def test_the_largest_singular_value_becomes_one():
    model = tn.transform_with_state(lambda w: nn.SpectralNorm(n_steps=6)(w))
    params, state = model.init(jax.random.key(1), W)
    out, state = model.apply(params, state, None, W)
    np.testing.assert_allclose(np.linalg.svd(out)[1].max(), 1, rtol=1e-3)
    np.testing.assert_allclose(state["spectral_norm"]["sigma"], np.linalg.svd(W)[1].max(), rtol=1e-3)


def test_axes_but_the_last_are_one_and_a_vector_is_refused():
    w = W.reshape(5, 2, 2)
    model = tn.transform_with_state(lambda w, strict: nn.SpectralNorm()(w, error_on_non_matrix=strict))
    assert model.plan(w, False).out.shape == w.shape
    with pytest.raises(ValueError, match="3D"):
        model.plan(w, True)
    with pytest.raises(ValueError, match="scalar or vector"):
        model.plan(jnp.ones(3), False)
