"""Learning-rate control: for how long a rate is kept, and fixed rates."""

import pytest

from tenure.training.errors import LearningRateError
from tests.training.rates.by_scores import rates_of


def test_a_decay_does_not_go_below_the_minimum_and_an_unknown_score_changes_nothing():
    assert rates_of([1.0] * 4, min_learning_rate=0.3) == [1.0, 1.0, 0.5, 0.3, 0.3]
    assert rates_of([1.0, None, 1.0]) == [1.0] * 4


def test_a_rate_is_kept_for_some_epochs():
    given = {"learning_rate_control_min_num_epochs_per_new_lr": 3}
    assert rates_of([1.0] * 7, **given) == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_fixed_rates_and_what_is_no_float():
    assert rates_of([1.0] * 3, learning_rates={2: 0.7}) == [1.0, 0.7, 0.35, 0.175]
    with pytest.raises(LearningRateError, match="a float"):
        rates_of([1.0] * 2, learning_rate_decay=1)
