"""`tenure scores DIR`: the table and the curves of a training's scores."""

import json
import math
import shutil

import numpy as np
import pytest

from tenure.cli.plots import plot
from tenure.training.errors import LearningRateError
from tenure.training.rates.existing import epochs_in
from tenure.training.rates.file import render
from tenure.training.rates.scores import EpochScores
from tests.cli.process import here, tenure, write

EPOCHS = {
    1: EpochScores(0.1, {"dev_error": 0.5, "dev_score": np.float32(2.5), ":meta:steps": 7}),
    2: EpochScores(0.05, {"dev_error": 0.25, "dev_score": math.nan}),
    3: EpochScores(None, {}),
}


def test_table_has_a_line_for_each_epoch_and_a_star_for_the_best(tmp_path):
    (tmp_path / "newbob.data").write_text(render(EPOCHS))
    said = here("scores", tmp_path)
    assert said.returncode == 0, said.stderr
    rows = [line.split() for line in said.stdout.splitlines()]
    assert rows[0] == ["epoch", "learning", "rate", "dev_error", "dev_score"]
    assert rows[2:5] == [["1", "0.1", "0.5", "2.5*"], ["2", "0.05", "0.25*", "nan"], ["3"]]
    assert "● dev_error" in said.stdout and "● dev_score" in said.stdout
    chosen = here("scores", tmp_path / "newbob.data", "--key", "dev_e*", "--no-plot").stdout
    assert "dev_error" in chosen and "dev_score" not in chosen and "●" not in chosen


def test_json_has_all_scores_and_null_for_what_is_no_number(tmp_path):
    (tmp_path / "newbob.data").write_text(render(EPOCHS))
    found = json.loads(here("scores", "--json", tmp_path).stdout)
    assert found["1"] == {"learning_rate": 0.1, "scores": {"dev_error": 0.5, "dev_score": 2.5, ":meta:steps": 7}}
    assert found["2"]["scores"]["dev_score"] is None and found["3"]["learning_rate"] is None


def test_a_training_is_found_by_its_folder_and_by_its_checkpoints(tmp_path):
    assert tenure("train", write(tmp_path), folder=tmp_path).returncode == 0
    whole = json.loads(tenure("scores", ".", "--json", folder=tmp_path).stdout)
    assert list(whole) == ["1", "2"] and whole["2"]["scores"]["dev_score"] > 0
    shutil.copytree(tmp_path / "net", tmp_path / "alone")
    kept = json.loads(here("scores", "alone", "--json", folder=tmp_path).stdout)
    assert kept["1"] == whole["1"] and kept["2"]["scores"]["train_score"] == whole["2"]["scores"]["train_score"]


def test_what_is_wrong_is_told_as_a_sentence(tmp_path):
    assert "has no learning-rate file" in here("scores", tmp_path).stderr
    for name in ("a", "b"):
        (tmp_path / name).write_text(render(EPOCHS))
    assert "has 2 learning-rate files" in here("scores", tmp_path).stderr
    (tmp_path / "a").write_text("{1: EpochData(learningRate=__import__('os').getpid(), error={})}")
    code = here("scores", tmp_path / "a")
    assert code.returncode == 1 and "cannot be read" in code.stderr and "Traceback" not in code.stderr


def test_curves_are_in_the_width_and_leave_out_what_is_no_number():
    curves = {"a": {e: 1.0 / e for e in range(1, 200)}, "b": {1: math.inf, 150: 0.5}}
    shown = plot(curves, width=60)
    assert max(map(len, shown)) == 60 and shown[0].strip() == "1 ┤●" and "inf" not in "".join(shown)
    assert sum(line.count("○") for line in shown[:-1]) == 1
    assert plot({"a": {1: math.nan}}) == [] and plot({}) == []


def test_values_of_very_different_size_are_on_a_logarithmic_axis():
    shown = plot({"a": {1: 1.0, 2: 0.01, 3: 0.0001}}, width=40, height=5)
    assert [i for i, line in enumerate(shown) if "●" in line] == [0, 2, 4, 7] and "(logarithmic)" in shown[-1]


def test_scores_json_is_read_where_there_is_no_learning_rate_file(tmp_path):
    content = {"epochs": {"1": {"learning_rate": 0.1, "scores": {"dev_score": 0.5, "dev_error": None}}}}
    (tmp_path / "scores.json").write_text(json.dumps(content))
    found = epochs_in(tmp_path)
    assert (
        found[1].learning_rate == 0.1
        and found[1].scores["dev_score"] == 0.5
        and math.isnan(found[1].scores["dev_error"])
    )
    (tmp_path / "scores.json").write_text('{"epochs": [1]}')
    with pytest.raises(LearningRateError, match="no learning-rate file and no checkpoint"):
        epochs_in(tmp_path)
