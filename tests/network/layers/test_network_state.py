"""Layers that know of the pass, and of what is kept from one to the next."""

import jax
import numpy as np
import pytest

import tenure as tn
from tests.network.layers.running import BATCH, KEEP, X, data, run


@pytest.mark.parametrize("train", [False, True])
def test_the_pass_and_its_step(train):
    net = {"output": {"class": "train_flag"}, "step": {"class": "global_train_step", "is_output_layer": True}}
    result, _ = run(net, train=train, step=7)
    assert bool(result.outputs["output"].data) == train and result.outputs["step"].data == 7


def test_a_running_mean_moves_in_training_only():
    net = tn.network({"output": {"class": "accumulate_mean", "exp_average": 0.5, "from": "data"}}, data())
    params, state = net.init(jax.random.key(0), BATCH)
    mean = X[KEEP].mean(0)
    result, moved = net.apply(params, state, None, BATCH, train=True)
    np.testing.assert_array_equal(result.outputs["output"].data, np.zeros(5))
    _, still = net.apply(params, moved, None, BATCH)
    for found in (moved, still):
        np.testing.assert_allclose(found["output"]["mean_1"], mean / 2, rtol=1e-5)


def test_inputs_along_a_new_axis():
    result, _ = run({"output": {"class": "stack", "from": ["data", "data", "data"]}})
    out = result.outputs["output"].batch_first()
    assert out.shape == (3, 6, 3, 5)
    np.testing.assert_array_equal(out.data[:, :, 1], X)
