"""Functions of RETURNN's own toolbox that configs import beside TensorFlow."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure import TenureError
from tenure.network.tf import random
from tenure.network.tf.utilities import UTILITIES
from tests.network.functions_of_configs import outputs
from tests.network.layers import running

X = jnp.arange(6).reshape(2, 3)


def call(name, *args, **more):
    return UTILITIES[name](*args, **more)


def test_axes_that_come_and_go():
    assert call("get_shape", X) == [2, 3] and call("get_shape_dim", X, axis=1) == 3 and call("get_ndim", X) == 2
    wide = call("expand_dims_unbroadcast", X, axis=1, dim=4)
    assert wide.shape == (2, 4, 3) and (wide == X[:, None]).all()
    assert call("expand_multiple_dims", X, [0, 2]).shape == (1, 2, 1, 3)
    assert call("expand_multiple_dims", X, [-1, -1]).shape == (2, 3, 1, 1)
    assert call("swapaxes", X, 0, 1).tolist() == X.T.tolist() == call("move_axis", X, 0, 1).tolist()


def test_what_dropout_leaves_is_scaled_up_unless_told():
    def f(data, network, corrected=True):
        return call("dropout", 1.0 + data.placeholder**2, keep_prob=0.5, apply_correction_factor=corrected)

    plain = 1.0 + running.X**2
    for corrected, factor in ((True, 2.0), (False, 1.0)):
        y = outputs(functools.partial(f, corrected=corrected), train=True)
        assert 0 < (y == 0).sum() < y.size
        np.testing.assert_allclose(y[y != 0], factor * plain[y != 0], rtol=1e-6)
    columns = (
        outputs(lambda data, network: call("dropout", 1.0 + data.placeholder**2, 0.5, (1, 1, None)), train=True) == 0
    )
    assert (columns == columns[:1, :1]).all()
    with pytest.raises(TenureError, match="cond_on_train"):
        call("dropout", X, 0.5, cond_on_train=True)


def test_what_dropout_leaves_as_it_was_has_its_own_gradient_at_zero_too(monkeypatch):
    monkeypatch.setattr(random, "key", lambda: jax.random.key(0))
    x = jnp.array([0.0, 1.0] * 20)
    kept = call("dropout", x + 1, 0.5, apply_correction_factor=False) != 0
    gradient = jax.grad(lambda x: call("dropout", x, 0.5, apply_correction_factor=False).sum())(x)
    assert 0 < kept.sum() < 40 and (gradient == kept).all()


def test_entries_several_times_in_a_row():
    assert call("tile_transposed", X, axis=1, multiples=2)[0].tolist() == [0, 0, 1, 1, 2, 2]


def test_indices_of_sequences():
    table = jnp.arange(8).reshape(2, 4)
    pairs = call("nd_indices", jnp.array([[3, 0], [1, 2]]))
    np.testing.assert_array_equal(table[pairs[..., 0], pairs[..., 1]], [[3, 0], [5, 6]])
    turned = call("nd_indices", jnp.array([[3, 0], [1, 2]]), indices_batch_major=False)
    np.testing.assert_array_equal(table[turned[..., 0], turned[..., 1]], [[3, 4], [1, 6]])


def test_masks():
    assert call("sequence_mask_time_major", jnp.array([1, 3]), 3).astype(int).tolist() == [[1, 1], [0, 1], [0, 1]]


def test_what_functions_of_searches_import():
    from tenure.network.tf.imports import module

    basic = module("returnn.tf.util.basic", ("select_src_beams",))
    x = jnp.arange(12.0).reshape(4, 3)  # two sequences with two hypotheses each
    assert basic.select_src_beams(x, jnp.array([[1], [0]]))[:, 0].tolist() == [3, 6]
    assert basic.batch_gather(x, jnp.array([2, 0, 1, 2])).tolist() == [2, 3, 7, 11]
    assert basic.dimshuffle(x, (1, "x", 0)).shape == (3, 1, 4)
    assert basic.optional_add(None, 2, 3) == 5 and basic.optional_mul(None, None) is None
