"""Dropout: the mean stays, and a mask may be the same along axes."""

import jax
import jax.numpy as jnp
import numpy as np

from tenure.functional.dropout import dropped


def test_a_share_is_zero_and_the_rest_is_larger():
    found = np.asarray(dropped(jax.random.key(0), 0.3, jnp.ones(20_000)))
    assert set(np.unique(found)) == {0.0, np.float32(1 / 0.7)}
    np.testing.assert_allclose([(found == 0).mean(), found.mean()], [0.3, 1], atol=0.02)


def test_a_mask_of_another_shape_is_the_same_along_the_others():
    found = np.asarray(dropped(jax.random.key(1), 0.5, jnp.ones((4, 50)), (1, 50)))
    assert (found == found[:1]).all() and 0 < (found == 0).mean() < 1
