"""Arithmetic by dim, and the masks of dynamic ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
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


def test_a_batch_without_frames():
    """Every layer that reduces or weighs times gives what a sequence without frames gives in a batch."""
    loop = {
        "x": {"class": "linear", "n_out": 3, "from": ["data:source", "prev:x"]},
        "output": {"class": "copy", "from": "x"},
    }
    net = {
        "max": {"class": "reduce", "mode": "max", "axes": "T", "from": "data"},
        "min": {"class": "reduce", "mode": "min", "axes": "T", "from": "data"},
        "best": {"class": "reduce", "mode": "argmax", "axes": "F", "from": "max"},
        "where": {"class": "reduce", "mode": "argmin", "axes": "T", "from": "data"},
        "weights": {"class": "softmax_over_spatial", "from": "data"},
        "self": {"class": "self_attention", "num_heads": 2, "total_key_dim": 4, "n_out": 4, "from": "data"},
        "twice": {"class": "resize", "axis": "T", "factor": 2, "from": "data"},
        "loop": {"class": "rec", "from": "data", "unit": loop},
    }
    net = tn.network(
        {k: {**v, "is_output_layer": True} for k, v in net.items()}, {"data": {"dim": 4}}, behavior_version=0
    )
    params, state = net.init(jax.random.key(0))
    none = {"data": (np.zeros((2, 0, 4), "float32"), np.zeros(2, int))}
    some = {"data": (np.ones((2, 3, 4), "float32"), np.array([3, 0]))}
    empty, full = (net.apply(params, state, None, b, losses=False)[0].outputs for b in (none, some))
    for name in ("max", "min", "where"):
        np.testing.assert_array_equal(empty[name].data[0], full[name].data[1])
    for name in ("weights", "self", "twice", "loop"):
        assert empty[name].data.size == 0 and empty[name].ndim == full[name].ndim
