"""Running averages in behaviour version 0, where other passes than training move them too, unless TensorFlow's kernel is used."""

import jax
import numpy as np
import pytest

import tenure.network as network
from tests.network.layers.running import BATCH, X, data


@pytest.mark.parametrize(("options", "moves"), [({"param_version": 2, "masked_time": False}, False), ({}, True)])
def test_outside_of_training(options, moves):
    model = network.Network({"output": {"class": "batch_norm", "from": "data", **options}}, data(), behavior_version=0)
    params, state = model.init(jax.random.key(0), BATCH)
    result, after = model.apply(params, state, None, BATCH)
    ((path, before),) = state.items()
    changed = any(not np.allclose(before[k], after[path][k]) for k in before)
    assert changed == moves
    y = np.asarray(result.outputs["output"].batch_first().data)
    assert np.allclose(y, X / np.sqrt(1 + 1e-3), atol=1e-5) != moves
