"""Scores of all epochs as curves, and as JSON holds them."""

import math

import pytest

from tenure.training.rates.scores import EpochScores
from tenure.training.watching.history import Curve, as_json, curves, seconds_of

EPOCHS = {
    2: EpochScores(0.1, {"dev_score": math.nan, "train_score_ctc": 1.0, "odd": 3.0}),
    1: EpochScores(0.2, {"dev_score": 2.0, "dev_error": "x", ":meta:epoch_train_time_secs": 12}),
}


def test_curves_are_training_first_and_have_finite_values():
    found = curves(EPOCHS)
    assert [(c.dataset, c.topic, dict(c.values)) for c in found] == [
        ("train", "score ctc", {2: 1.0}),
        ("dev", "score", {1: 2.0}),
        ("", "odd", {2: 3.0}),
    ]


@pytest.mark.parametrize(("key", "best"), [("dev_score", (2, 1.0)), ("dev_bleu", (1, 3.0)), ("dev_accuracy", (1, 3.0))])
def test_the_best_is_the_smallest_unless_it_is_a_quality(key, best):
    assert Curve(key, "dev", "", {3: 1.0, 1: 3.0, 2: 1.0}).best == best
    assert Curve(key, "dev", "", {}).best is None


def test_json_has_no_numbers_that_are_none():
    assert as_json(EPOCHS)["2"]["scores"]["dev_score"] is None and list(as_json(EPOCHS)) == ["1", "2"]
    assert as_json(EPOCHS)["1"]["scores"]["dev_error"] == "x" and seconds_of(EPOCHS[1]) == 12
