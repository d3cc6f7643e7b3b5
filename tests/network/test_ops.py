"""Arithmetic by dim, and the masks of dynamic ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network import ops
from tenure.network.dims import feature_dim
from tenure.network.tensor import Tensor
from tests.network.declared import BATCH, DATA, FEATURE, LENGTHS

pytestmark = pytest.mark.usefixtures("declared")


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
