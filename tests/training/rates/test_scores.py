"""What is known of each epoch, and which score is looked at."""

import pytest

from tenure.training.errors import LearningRateError
from tenure.training.rates.scores import EpochScores, best_before, flat, key_of


def test_scores_of_several_losses_have_keys_of_their_own():
    scores = EpochScores(0.1).updated({"dev_score": {"cost:a": 1.0, "cost:b": 2.0}, ":meta:x": 3})
    assert scores.scores == {"dev_score_a": 1.0, "dev_score_b": 2.0, ":meta:x": 3}
    assert scores.measured() == {"dev_score_a": 1.0, "dev_score_b": 2.0}
    assert flat({"dev_error": {"error:a": 1.0}}) == {"dev_error": 1.0}
    assert flat({"dev_score": {"a": 1.0, "dec:x": 2.0}}) == {"dev_score_a": 1.0, "dev_score_x": 2.0}
    for wrong in (1, None, "x"):
        with pytest.raises(LearningRateError, match="'train_score' is a float"):
            EpochScores(0.1).updated({"dev_score": 0.5, "train_score": wrong})
    with pytest.raises(LearningRateError, match="write 1.0"):
        EpochScores(1)


@pytest.mark.parametrize(
    ("keys", "wanted", "found"),
    [
        (["dev_score", "dev_error"], ["dev_error"], "dev_error"),
        (["dev_score_output", "dev_error"], ["dev_score"], "dev_score_output"),
        (["dev_score_ctc", "dev_score_output/ce", "train_score"], [], "dev_score_output/ce"),
        (["dev_error_x", "train_score"], [], "dev_error_x"),
        (["train_error", "train_score"], [], "train_score"),
        ([":meta:x"], [], None),
    ],
)
def test_the_score_that_counts(keys, wanted, found):
    assert key_of(keys, wanted) == found


def test_the_epoch_to_go_back_to():
    scores = {1: 0.5, 2: 0.9, 3: 0.7, 4: 1.0}
    assert best_before(scores, 4) == 1 and best_before(scores, 4, first_epoch=2) == 3
    assert best_before(scores, 4, only_last_epochs=2) == 3 and best_before(scores, 4, filter_score=0.4) is None
    assert best_before(scores, 1) is None and best_before(scores, 4, min_score_dist=0.6) is None
    assert best_before(scores, 4, only_last_n=1) is None
    assert best_before(scores, 5) == 1 and best_before({}, 5) is None  # epoch 5 has no score: 4 is to be beaten
