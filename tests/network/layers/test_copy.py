"""Layers that hand on what they get."""

import jax
import numpy as np
import pytest

import tenure as tn
from tests.network.layers.running import BATCH, X, data, output


def test_inputs_are_joined_in_their_features():
    found, _ = output({"class": "copy", "from": ["data", "data"]})
    np.testing.assert_array_equal(found, np.concatenate([X, X], -1))


@pytest.mark.parametrize("name", ["copy", "dropout"])
def test_dropout_is_for_training(name):
    net = tn.network({"output": {"class": name, "from": "data", "dropout": 0.5}}, data())
    outs = [net.apply({}, {}, jax.random.key(0), BATCH, train=train)[0].outputs["output"] for train in (False, True)]
    plain, dropped = (np.asarray(out.batch_first().data) for out in outs)
    np.testing.assert_array_equal(plain, X)
    assert np.isclose(dropped, 2 * X).sum() > 0 and (dropped[X != 0] == 0).any()
