"""`#config` of a network: values that hold while this network is trained."""

import pytest

from tenure.training.pretraining.construct import PretrainError
from tenure.training.pretraining.overrides import overridden

CONFIG = {"batch_size": 100, "learning_rate": 0.1, "x": [1]}


def test_other_values_and_the_config_stays():
    assert overridden(CONFIG, {"batch_size": {"data": 5}, "x": None}) == {
        "batch_size": {"data": 5},
        "learning_rate": 0.1,
        "x": None,
    }
    assert CONFIG["batch_size"] == 100


@pytest.mark.parametrize("overrides", [{"batchsize": 3}, {"learning_rate": "0.1"}])
def test_what_cannot_be(overrides):
    with pytest.raises(PretrainError, match="#config sets"):
        overridden(CONFIG, overrides)
