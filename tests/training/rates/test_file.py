"""The learning-rate file reads back, and nothing in it is executed."""

import pytest

from tenure.training.errors import LearningRateError
from tenure.training.rates.control import LearningRates
from tenure.training.rates.file import parse, render
from tenure.training.rates.scores import EpochScores


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


def test_a_dictionary_is_one_line_below_40_characters():
    short, long = (
        EpochScores(0.1, {"dev_score": 0.5, "x": 2.0}),
        EpochScores(0.1, {"dev_score": 0.1234567, "train_score": 0.25}),
    )
    assert render({1: short}).splitlines()[1] == "1: EpochData(learningRate=0.1, error={'dev_score': 0.5, 'x': 2.0}),"
    told = render({1: long})
    assert told.splitlines()[1:3] == ["1: EpochData(learningRate=0.1, error={", "'dev_score': 0.1234567,"]
    assert parse(told) == {1: long}


def test_other_spellings_of_an_epoch_are_read():
    [found] = parse("{1: EpochData(learning_rate=0.1, meta={'sizes': [1, np.float32(2)]})}").values()
    assert found == EpochScores(0.1, {":meta:sizes": [1, 2.0]})
    with pytest.raises(LearningRateError, match="learningRate"):
        parse("{1: EpochData(error={})}")


def test_scores_of_32_bits_are_told_but_newbob_compares_floats(tmp_path):
    (tmp_path / "rates").write_text(
        "{1: EpochData(learningRate=0.1, error={'dev_score': np.float32(0.5)}), 2: EpochData(learningRate=0.1, error={'dev_score': 0.5})}"
    )
    rates = LearningRates.from_config({"learning_rate_control": "newbob"}, tmp_path / "rates")
    assert rates.error(1) == ("dev_score", 0.5) and rates.last_best(2) is None
    with pytest.raises(LearningRateError, match="write 0.5"):
        rates.rate(3)
