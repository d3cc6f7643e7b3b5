"""The learning-rate file reads back, and nothing in it is executed."""

import pytest

from tenure.training.errors import LearningRateError
from tenure.training.rates.control import LearningRates
from tenure.training.rates.file import parse


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
