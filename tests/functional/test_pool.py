"""The maximum or the mean of sliding windows, against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional import pooled

X = jax.random.normal(jax.random.key(0), (7, 3))


@pytest.mark.parametrize(("kind", "function"), [("max", np.max), ("mean", np.mean)])
@pytest.mark.parametrize("stride", [1, 2])
def test_windows_inside(kind, function, stride):
    found = pooled(X, kind, (3, 1), (stride, 1), "VALID")
    expected = [function(np.asarray(X)[t : t + 3], axis=0) for t in range(0, 5, stride)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_mean_at_the_edge_counts_what_is_there_or_the_whole_window():
    ones = jnp.ones((5,))
    np.testing.assert_allclose(pooled(ones, "mean", (3,), (1,), "SAME"), 1, rtol=1e-6)
    whole = pooled(ones, "mean", (3,), (1,), ((1, 1),), whole=True)
    np.testing.assert_allclose(whole, [2 / 3, 1, 1, 1, 2 / 3], rtol=1e-6)
    counted = pooled(ones * 6, "mean", (3,), (1,), ((1, 1),), counted=jnp.array([1.0, 1, 1, 0, 0]))
    np.testing.assert_allclose(counted, [6, 6, 9, 18, 12], rtol=1e-6)


def test_elements_of_a_window_may_be_apart():
    found = pooled(X, "max", (2, 1), (1, 1), "VALID", (3, 1))
    np.testing.assert_array_equal(found, np.maximum(np.asarray(X)[:4], np.asarray(X)[3:]))
