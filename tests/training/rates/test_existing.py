"""The learning-rate file of a training that is there already."""

import json

import pytest

from tenure.training.errors import LearningRateError
from tenure.training.rates.control import LearningRates
from tenure.training.rates.existing import epochs_in


def written(path, rate=0.1):
    rates = LearningRates.from_config({"learning_rate": rate}, path)
    rates.rate(1)
    rates.record(1, {"dev_score": 2.0})
    rates.save()


def test_a_file_and_a_folder_with_one(tmp_path):
    written(tmp_path / "rates")
    (tmp_path / "other.txt").write_text("{}")
    for path in (tmp_path / "rates", tmp_path):
        assert epochs_in(path)[1].scores["dev_score"] == 2.0
    written(tmp_path / "more")
    with pytest.raises(LearningRateError, match="has 2 learning-rate files"):
        epochs_in(tmp_path)


def test_a_folder_with_scores(tmp_path):
    told = {"epochs": {"3": {"learning_rate": 0.5, "scores": {"dev_score": None}}}}
    (tmp_path / "scores.json").write_text(json.dumps(told))
    (found,) = epochs_in(tmp_path).items()
    assert found[0] == 3 and found[1].scores["dev_score"] != found[1].scores["dev_score"]


def test_what_is_not_there(tmp_path):
    written(tmp_path / "rates")
    with pytest.raises(LearningRateError, match="ratse' is not there") as error:
        epochs_in(tmp_path / "ratse")
    assert error.value.near == ("rates",)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LearningRateError, match="has no learning-rate file and no checkpoint"):
        epochs_in(tmp_path / "empty")
