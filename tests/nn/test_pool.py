"""Pooling: the maximum or the mean of each window."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure import nn
from tests.nn.small import apply

X = jax.random.normal(jax.random.key(0), (2, 5, 3))


def test_windows_against_numpy():
    largest, mean = nn.max_pool(X, (2, 1), (2, 1), "VALID"), nn.avg_pool(X, (2, 1), (2, 1), "VALID")
    windows = np.asarray(X)[:, :4].reshape(2, 2, 2, 3)
    np.testing.assert_array_equal(largest, windows.max(2))
    np.testing.assert_allclose(mean, windows.mean(2), rtol=1e-6)


def test_a_mean_counts_nothing_of_what_is_padded():
    np.testing.assert_allclose(nn.avg_pool(jnp.ones((1, 5, 1)), (3, 1), (1, 1), "SAME"), 1, rtol=1e-6)
    np.testing.assert_array_equal(nn.max_pool(-jnp.ones((1, 5, 1)), (3, 1), (1, 1), "SAME"), -jnp.ones((1, 5, 1)))


def test_layers_are_the_functions():
    for layer, function in ((nn.MaxPool, nn.max_pool), (nn.AvgPool, nn.avg_pool)):
        np.testing.assert_array_equal(
            apply(lambda x, of=layer: of((3, 1), (2, 1), "SAME")(x), X), function(X, (3, 1), (2, 1), "SAME")
        )


def test_one_number_is_for_all_axes_but_the_batch_and_the_channels():
    with pytest.warns(DeprecationWarning, match="inside vmap"):
        found = nn.max_pool(X, 2, 2, "VALID")
    np.testing.assert_array_equal(found, nn.max_pool(X, (2, 1), (2, 1), "VALID"))


def test_what_cannot_be():
    with pytest.raises(ValueError, match="'SAME' or 'VALID'"):
        nn.max_pool(X, (2, 1), (2, 1), "CAUSAL")
    with pytest.raises(ValueError, match="more sizes"):
        nn.max_pool(X, (1, 1, 2, 1), (1,), "SAME")
