"""Learning rates that change within an epoch."""

import numpy as np
import pytest

from tenure.training.errors import LearningRateError
from tenure.training.rates.dynamic import dynamic


def test_a_decay_starts_anew_after_an_interval():
    rate = dynamic({"interval": 3, "decay": 0.5})
    assert [float(rate(np.float32(8), step)) for step in range(5)] == [8, 4, 2, 8, 4]


def test_a_function_is_asked_by_name_and_nothing_changes_nothing():
    assert dynamic(lambda learning_rate, global_train_step: learning_rate / (1 + global_train_step))(6.0, 2) == 2
    assert dynamic(None)(0.1, 99) == 0.1


@pytest.mark.parametrize("option", [3, {"interval": 2}, {"interval": 2, "decai": 0.5}])
def test_what_is_none(option):
    with pytest.raises(LearningRateError, match="dynamic_learning_rate") as error:
        dynamic(option)
    assert not isinstance(option, dict) or "decai" not in option or error.value.near == ("decay",)
