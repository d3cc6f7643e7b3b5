"""Learning-rate control, by hand: when a rate decays, grows and stays."""

import pytest

from tenure.training.errors import LearningRateError
from tenure.training.rates.control import rule_of
from tenure.training.rates.scores import EpochScores
from tests.training.rates.by_scores import rates_of


def test_newbob_compares_the_last_two_scores_so_that_the_second_epoch_has_the_first_rate():
    assert rates_of([4.0, 2.0, 1.99]) == [1.0, 1.0, 1.0, 0.5]  # 1.99 is less than 1 % better
    assert rates_of([4.0, 4.1, 4.0]) == [1.0, 1.0, 0.5, 0.5]


def test_changes_are_divided_by_the_new_score_or_by_the_old_one():
    between = -0.55  # 1 after 2 is -1 by the new score, -0.5 by the old one
    assert rates_of([2.0, 1.0], newbob_relative_error_threshold=between)[-1] == 1.0
    by_old = {"newbob_relative_error_threshold": between, "newbob_relative_error_div_by_old": True}
    assert rates_of([2.0, 1.0], **by_old)[-1] == 0.5


def test_absolute_differences_and_other_factors():
    given = {"learning_rate_control": "newbob_abs", "newbob_error_threshold": -0.5, "newbob_learning_rate_decay": 0.1}
    assert rates_of([4.0, 3.0, 2.6], **given) == [1.0, 1.0, 1.0, 0.1]
    assert rates_of([4.0, 3.0], newbob_learning_rate_growth=2.0) == [1.0, 1.0, 2.0]


def test_small_rates_make_relative_changes_count_more():
    given = {"learning_rate_control_relative_error_relative_lr": True, "newbob_relative_error_threshold": -0.03}
    assert rates_of([1.0, 1.0, 0.98], **given) == [1.0, 1.0, 0.5, 0.5]  # -0.0204 at half the rate is -0.0408
    assert (
        rates_of([1.0, 1.0, 0.98], **{**given, "learning_rate_control_relative_error_relative_lr": False})[-1] == 0.25
    )


def test_several_epochs_are_averaged_and_looked_at_now_and_then():
    given = {
        "learning_rate_control": "newbob_multi_epoch",
        "newbob_multi_num_epochs": 2,
        "newbob_multi_update_interval": 2,
    }
    assert rates_of([4.0, 3.9, 3.9, 3.9, 3.9], **given) == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
    every = {**given, "newbob_multi_update_interval": 1}
    assert rates_of([4.0, 3.9, 3.9], **every) == [1.0, 1.0, 1.0, 1.0]  # the mean of -0.026 and 0 is below -0.01
    with pytest.raises(LearningRateError, match="above newbob_relative_error_threshold"):
        rates_of([1.0, 1.0], **every, newbob_relative_error_grow_threshold=0.5)


def test_newbob_multi_takes_what_is_not_said_from_its_counterpart():
    rule = rule_of({"learning_rate_control": "newbob_multi_epoch", "newbob_multi_num_epochs": 3})
    assert (rule.epochs, rule.interval, rule.threshold, rule.grow_threshold) == (3, 3, -0.01, -0.01)
    rule = rule_of({"learning_rate_control": "newbob_multi_epoch", "newbob_relative_error_threshold": -0.05})
    assert (rule.epochs, rule.interval, rule.threshold, rule.grow_threshold) == (5, 5, -0.05, -0.05)


def test_a_rate_of_nothing_leaves_a_relative_change_as_it_is():
    rule = rule_of({"learning_rate_control": "newbob", "learning_rate_control_relative_error_relative_lr": True})
    assert rule.relative(EpochScores(0.0, {"dev_score": 1.0}), EpochScores(0.0, {"dev_score": 2.0})) == 0.5
