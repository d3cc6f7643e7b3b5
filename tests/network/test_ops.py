"""Arithmetic by dim, and the masks of dynamic ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network import axes, ops, sizes, versions
from tenure.network.dims import DimError, batch_dim, feature_dim, spatial_dim
from tenure.network.tensor import Tensor

BATCH, TIME, FEATURE = batch_dim(), spatial_dim("time"), feature_dim(4, "feature")
LENGTHS = np.array([5, 2])
DATA = np.random.RandomState(0).randn(2, 5, 4).astype("float32")


@pytest.fixture(autouse=True)
def known():
    with sizes.use(sizes.Sizes()) as found:
        found.declare(BATCH, 2)
        found.declare(TIME, 5, Tensor(jnp.array(LENGTHS), (BATCH,)))
        yield found


@pytest.fixture
def x():
    return Tensor(jnp.array(DATA), (BATCH, TIME, FEATURE))


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


@pytest.mark.parametrize("mode", ["sum", "max", "min", "mean", "logsumexp", "prod", "argmax", "argmin"])
def test_reductions_leave_out_what_is_beyond_the_end(x, mode):
    padded = x.like(x.data.at[1, 2:].set(jnp.nan))
    found = ops.reduce(padded, [1], mode).data
    fn = {"logsumexp": lambda v, axis: jax.scipy.special.logsumexp(v, axis)}.get(mode) or getattr(np, mode)
    expected = np.stack(
        [fn(DATA[i, :n], 0) if mode != "logsumexp" else fn(DATA[i, :n], axis=0) for i, n in enumerate(LENGTHS)]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("over", [[0, 1], [0, 1, 2], [1, 2], [0]])
def test_means_over_several_axes(x, over):
    frames = np.concatenate([DATA[i, :n] for i, n in enumerate(LENGTHS)])
    expected = {
        (0, 1): frames.mean(0),
        (0, 1, 2): frames.mean(),
        (1, 2): np.array([DATA[i, :n].mean() for i, n in enumerate(LENGTHS)]),
        (0,): DATA.mean(0),
    }[tuple(over)]
    np.testing.assert_allclose(ops.reduce(x, over, "mean").data, expected, rtol=1e-5)


def test_softmax_over_time(x):
    p = np.array(ops.softmax(x, [1]).data)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    assert (p[1, 2:] == 0).all()


def test_concatenation_of_features(x):
    more = Tensor(jnp.ones((2, 3)), (BATCH, feature_dim(3, "more")))
    y = ops.concat_features([x, more])
    assert y.shape == (2, 5, 7)
    assert y.feature_dim == FEATURE + more.feature_dim


@pytest.mark.parametrize(
    ("description", "found"),
    [
        ("B", [0]), ("T", [1]), ("F", [2]), ("BT", [0, 1]), ("spatial", [1]), ("except_batch", [1, 2]), ("except_time", [2]),
        ("static", [2]), ("dyn", [1]), ("*", [0, 1, 2]), ("stag:time", [1]), ("dim:4", [2]), (["T", "F"], [1, 2]), (TIME, [1]),
    ],
)  # fmt: skip
def test_descriptions_of_axes(x, description, found):
    assert axes.axes(x, description) == found


@pytest.mark.parametrize("description", [1, -1, "spatial:0", "static:0", "nonsense", "stag:nonsense", {}])
def test_descriptions_that_new_networks_do_not_have(x, description):
    with pytest.raises(DimError):
        axes.axis(x, description)


@pytest.mark.parametrize(("description", "found"), [(1, 1), (-1, 2), ("spatial:0", 1), ("static:-1", 2)])
def test_descriptions_that_published_networks_have(x, description, found):
    with versions.use(0):
        assert axes.axis(x, description) == found


def test_a_tensor_is_a_pytree(x):
    doubled = jax.jit(lambda t: jax.tree.map(lambda v: 2 * v, t))(x)
    assert doubled.dims == x.dims and doubled.feature_axis == 2
    np.testing.assert_allclose(doubled.data, 2 * DATA)
