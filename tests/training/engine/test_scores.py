"""From the losses of steps to the scores of an epoch."""

import math

import numpy as np
import pytest

from tenure.training.engine.scores import Scores


def test_means_are_of_all_frames_and_not_of_steps():
    scores = Scores()
    told = scores.add({"a": (6.0, 3.0, 1 / 3), "b": (None, 1.0, 0.5)})
    assert told == {"cost:a": 2.0, "error:a": 1.0, "error:b": 0.5}
    scores.add({"a": (1.0, 0.0, 1.0)})
    assert scores.scores() == {"a": np.float32(7 / 4)} and scores.errors() == {"a": 0.75, "b": 0.5}
    assert scores.told("dev") == {"dev_error_a": 0.75, "dev_error_b": 0.5, "dev_score": 1.75}
    assert scores.shown() == (1.75, {"a": 0.75, "b": 0.5})


def test_an_epoch_without_frames_has_no_score():
    scores = Scores()
    scores.add({"a": (0.0, None, 0.0)})
    assert math.isnan(scores.scores()["a"]) and Scores().shown() == (None, None)


def test_perplexities_are_told_if_asked_for():
    scores = Scores(with_exp=True)
    scores.add({"a": (2.0, None, 1.0), "b": (100.0, None, 1.0)})
    assert scores.scores()["a:exp"] == pytest.approx(math.exp(2)) and scores.scores()["b:exp"] == math.inf
