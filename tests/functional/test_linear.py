"""Affine maps of one axis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional.linear import affine

W, B = jax.random.normal(jax.random.key(0), (4, 5)), jnp.arange(5.0)


@pytest.mark.parametrize("axis", [-1, 0, 1, 2])
@pytest.mark.parametrize("bias", [None, B])
def test_along_any_axis(axis, bias):
    shape = [2, 3, 6]
    shape[axis] = 4
    x = jax.random.normal(jax.random.key(1), shape)
    expected = np.moveaxis(
        np.moveaxis(np.asarray(x), axis, -1) @ np.asarray(W) + (0 if bias is None else np.asarray(bias)), -1, axis
    )
    np.testing.assert_allclose(affine(x, W, bias, axis=axis), expected, atol=1e-5)


def test_labels_are_rows_and_those_beyond_the_last_mean_the_last():
    found = affine(jnp.array([[0, 3], [9, 1]]), W, B)
    np.testing.assert_allclose(found, np.asarray(W)[[[0, 3], [3, 1]]] + np.asarray(B), atol=1e-6)
