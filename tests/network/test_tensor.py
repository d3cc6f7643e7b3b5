"""Tensors: arrays whose axes are dims."""

import jax
import numpy as np
import pytest

from tests.network.declared import DATA

pytestmark = pytest.mark.usefixtures("declared")


def test_a_tensor_is_a_pytree(x):
    doubled = jax.jit(lambda t: jax.tree.map(lambda v: 2 * v, t))(x)
    assert doubled.dims == x.dims and doubled.feature_axis == 2
    np.testing.assert_allclose(doubled.data, 2 * DATA)
