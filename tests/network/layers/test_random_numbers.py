"""Layers that draw random numbers, from the key of the pass."""

import numpy as np
import pytest

from tenure.network import Dim, feature_dim
from tests.network.layers.running import run

DIM = feature_dim(2000, "many")


def drawn(options):
    result, _ = run({"output": {"class": "random", "shape": [DIM], **options}})
    return np.asarray(result.outputs["output"].data)


@pytest.mark.parametrize(
    ("options", "mean", "deviation", "largest"),
    [
        ({"distribution": "uniform", "minval": -1.0, "maxval": 3.0}, 1, 4 / 12**0.5, 3),
        ({"distribution": "uniform", "bound": 2.0}, 0, 4 / 12**0.5, 2),
        ({"distribution": "normal", "mean": 5.0, "stddev": 0.5}, 5, 0.5, 9),
        ({"distribution": "truncated_normal"}, 0, 0.88, 2),
    ],
)
def test_distributions(options, mean, deviation, largest):
    found = drawn(options)
    np.testing.assert_allclose([found.mean(), found.std()], [mean, deviation], atol=0.1)
    assert found.max() <= largest and len(np.unique(found)) > 1900


def test_whole_numbers_are_below_their_limit():
    result, _ = run({"output": {"class": "rand_int", "shape": [DIM], "minval": 2, "maxval": 5, "from": []}})
    assert set(np.asarray(result.outputs["output"].data)) == {2, 3, 4}


def test_a_fixed_seed_is_the_same_for_all():
    one = drawn({"distribution": "normal", "static": True, "seed": 3})
    np.testing.assert_array_equal(one, drawn({"distribution": "normal", "static": True, "seed": 3}))
    assert (one != drawn({"distribution": "normal", "static": True, "seed": 4})).any()
    result, _ = run({"output": {"class": "random_state_init", "out_dim": Dim(3, "state")}})
    assert result.outputs["output"].shape == (3,)
