"""Losses that are scaled: a step whose gradients overflow changes nothing."""

import jax
import numpy as np

from tenure.network.model import Network
from tenure.training.engine.step import State, Steps
from tenure.training.optimizing.updater import Updater
from tests.training.engine.small import SMALL


def test_a_step_whose_gradients_overflow_changes_nothing_but_the_scale():
    net = Network(SMALL, {"data": {"dim": 2}, "classes": {"dim": 3, "sparse": True}})
    given = {"mixed_precision": "float16", "optimizer": {"class": "adam"}}
    steps = Steps(net, Updater(given, net.trainable()), config=given)
    params, state = net.init(jax.random.key(0))
    optimizer = steps.updater.init(params)
    optimizer[-1]["scale"] = jax.numpy.float32(2.0**30)  # far more than float16 has
    before = State(params, state, optimizer)
    kept = jax.device_get((params, optimizer[:-1]))
    lengths = np.array([5, 4])
    batch = {"data": (np.ones((2, 5, 2), "float32"), lengths), "classes": (np.zeros((2, 5), "int32"), lengths)}
    after, _, objective, _ = steps.train(before, batch, 0.1, 0, jax.random.key(1))
    jax.tree.map(np.testing.assert_array_equal, kept, jax.device_get((after.params, after.optimizer[:-1])))
    assert float(after.optimizer[-1]["scale"]) == 2.0**29 and np.isfinite(objective)
    after.optimizer[-1]["scale"] = jax.numpy.float32(1024)
    moved, _, again, _ = steps.train(after, batch, 0.1, 1, jax.random.key(1))
    assert float(again) == float(objective)  # it is told without the scale
    assert not np.array_equal(moved.params["output"]["W"], kept[0]["output"]["W"])
