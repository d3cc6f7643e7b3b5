"""Sines and cosines of positions."""

import jax.numpy as jnp
import numpy as np

from tenure.functional.positions import sines_and_cosines


def test_halves_side_by_side():
    positions, rates = jnp.array([[0, 3], [5, 7]]), jnp.array([1.0, 0.1])
    found = sines_and_cosines(positions, rates)
    angles = np.asarray(positions)[..., None] * np.asarray(rates)
    np.testing.assert_allclose(found, np.concatenate([np.sin(angles), np.cos(angles)], -1), atol=1e-6)
