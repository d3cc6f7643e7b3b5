"""Broadcasting by dim: the order of axes does not matter."""

import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network import ops, versions
from tenure.network.dims import DimError, feature_dim
from tenure.network.tensor import Tensor
from tests.network.declared import BATCH, DATA, FEATURE

pytestmark = pytest.mark.usefixtures("declared")


def test_the_order_of_axes_does_not_matter(x):
    y = x.transpose([2, 0, 1])
    np.testing.assert_allclose(ops.map2(jnp.add, x, y).data, 2 * DATA)
    assert (y.time_axis, y.feature_axis, y.batch_axis) == (2, 0, 1)


def test_missing_dims_are_broadcast(x):
    bias = Tensor(jnp.arange(4.0), (FEATURE,))
    np.testing.assert_allclose(ops.map2(jnp.add, bias, x).data, DATA + np.arange(4.0))


def test_all_sources_are_broadcast_only_if_allowed():
    a, b = Tensor(jnp.ones(2), (BATCH,)), Tensor(jnp.ones(4), (FEATURE,))
    with pytest.raises(DimError, match="larger than any of them"):
        ops.map2(jnp.add, a, b)
    with versions.use(0):
        assert ops.map2(jnp.add, a, b).shape == (2, 4)
    assert ops.map2(jnp.add, a, b, broadcast_all=True).shape == (2, 4)


def test_dims_of_one_size_that_the_user_made_do_not_match(x):
    other = Tensor(jnp.ones((2, 4)), (BATCH, feature_dim(4, "other")))
    assert ops.map2(jnp.add, x, other, broadcast_all=True).shape == (2, 5, 4, 4)
    with versions.use(15):
        assert ops.map2(jnp.add, x, other).shape == (2, 5, 4)
