"""Learning-rate control, by hand: when a rate decays, grows and stays."""

import pytest

from tenure.training.errors import LearningRateError
from tenure.training.rates.control import LearningRates
from tenure.training.rates.file import parse


def rates_of(scores, **config):
    """The learning rates of all epochs, and of one more, where epoch n has the n-th dev_score."""
    rates = LearningRates.from_config({"learning_rate": 1.0, "learning_rate_control": "newbob", **config})
    found = []
    for epoch, score in enumerate(scores, 1):
        found.append(rates.rate(epoch))
        if score is not None:
            rates.record(epoch, {"dev_score": score})
    return [*found, rates.rate(len(scores) + 1)]


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


def test_a_decay_does_not_go_below_the_minimum_and_an_unknown_score_changes_nothing():
    assert rates_of([1.0] * 4, min_learning_rate=0.3) == [1.0, 1.0, 0.5, 0.3, 0.3]
    assert rates_of([1.0, None, 1.0]) == [1.0] * 4


def test_a_rate_is_kept_for_some_epochs():
    given = {"learning_rate_control_min_num_epochs_per_new_lr": 3}
    assert rates_of([1.0] * 7, **given) == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]


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


def test_fixed_rates_and_what_is_no_float():
    assert rates_of([1.0] * 3, learning_rates={2: 0.7}) == [1.0, 0.7, 0.35, 0.175]
    with pytest.raises(LearningRateError, match="a float"):
        rates_of([1.0] * 2, learning_rate_decay=1)


def test_the_file_reads_back(tmp_path):
    rates = LearningRates.from_config({"learning_rate": 0.1}, tmp_path / "rates")
    rates.rate(1)
    rates.record(1, {"dev_score": float("nan"), "dev_error": {"error:a": 0.5, "error:b": 0.25}})
    rates.save()
    again = parse((tmp_path / "rates").read_text())
    assert again[1].learning_rate == 0.1 and again[1].scores["dev_error_b"] == 0.25
    assert again[1].scores["dev_score"] != again[1].scores["dev_score"]
    with pytest.raises(LearningRateError):
        parse("__import__('os').system('true')")
