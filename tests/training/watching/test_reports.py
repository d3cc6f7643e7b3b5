"""The files that a training writes after each epoch: scores, curves, and the report."""

import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tenure.training.config import load
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.rates.scores import EpochScores
from tenure.training.watching import examples
from tenure.training.watching.charts import chart
from tenure.training.watching.page import Report, html
from tenure.training.watching.reports import names
from tests.training.engine.test_exporting import NET
from tests.training.engine.test_own import HEAD, OWN
from tests.training.engine.test_training import config

HOSTILE = "</p><script>alert(1)</script><img src=x onerror=alert(2)>'\"&\u202e"


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its texts."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def test_a_training_writes_scores_curves_and_a_report(tmp_path):
    tasks.run(config(tmp_path, report=True), Log(0))
    at = names(tmp_path / "net" / "model")
    told = json.loads(at["scores"].read_text())
    assert told["state"] == "finished" and told["epoch"] == 2 == told["num_epochs"]
    scores = {e: of["scores"]["dev_score"] for e, of in told["epochs"].items()}
    best = min(scores, key=scores.get)
    assert told["best"]["dev_score"] == {"epoch": int(best), "value": scores[best]}
    assert at["picture"].read_bytes().startswith(b"\x89PNG")
    page = Elements(at["report"].read_text())
    kinds = [tag for tag, _ in page.found]
    assert kinds.count("svg") == 3 and kinds.count("iframe") == 2 and "script" not in kinds
    assert not any(name in of for _, of in page.found for name in ("src", "href", "onload"))
    assert not [p for p in (tmp_path / "net").iterdir() if p.name.endswith(".new")]
    assert "finished" in page.texts


def test_a_training_that_goes_on_keeps_the_epochs_before(tmp_path):
    given = {**config(tmp_path, report=True), "learning_rate_file": None}
    tasks.run({**given, "num_epochs": 1}, Log(0))
    tasks.run(given, Log(0))
    told = json.loads(names(tmp_path / "net" / "model")["scores"].read_text())
    assert list(told["epochs"]) == ["1", "2"] and told["epochs"]["1"]["scores"]["train_score"] > 0


def test_two_models_of_a_folder_have_files_of_their_own(tmp_path):
    for name in ("a", "b"):
        tasks.run({**config(tmp_path, num_epochs=1, report=True), "model": str(tmp_path / name)}, Log(0))
    found = {p.name for p in tmp_path.glob("*scores.json")}
    assert found == {"scores.json", "b.scores.json"}
    assert json.loads((tmp_path / "scores.json").read_text())["model"] == "a"


def test_report_false_writes_nothing(tmp_path):
    tasks.run(config(tmp_path, num_epochs=1, report=False), Log(0))
    assert {p.name for p in (tmp_path / "net").iterdir()} == {"model.001"}


def test_what_cannot_be_written_is_told_once_and_stops_nothing(tmp_path, capsys):
    (tmp_path / "net" / "report.html").mkdir(parents=True)
    tasks.run(config(tmp_path, report=True), Log(1))
    assert capsys.readouterr().out.count("no report is written") == 1
    assert (tmp_path / "net" / "model.002").is_dir()


def test_hostile_tags_and_texts_are_shown_and_not_run(tmp_path):
    path = tmp_path / "examples.json"
    examples.keep(path, 3, {HOSTILE: HOSTILE, "b": "x"}, {HOSTILE: HOSTILE})
    kept = examples.read(path)
    report = Report(
        title=HOSTILE, state=HOSTILE, epochs={1: EpochScores(0.1, {f"dev_score_{HOSTILE}": 1.0})}, last=2, key=HOSTILE,
        facts={HOSTILE: HOSTILE}, pages={HOSTILE: "<script>good()</script>"}, examples=kept["examples"], found_in=kept["epoch"],
    )  # fmt: skip
    text = html(report)
    page = Elements(text)
    assert {"script", "img"}.isdisjoint(tag for tag, _ in page.found)
    assert not any(name.startswith("on") for _, of in page.found for name in of)
    assert "\u202e" not in text and HOSTILE.replace("\u202e", "�") in "".join(page.texts)
    policy = next(of["content"] for tag, of in page.found if of.get("http-equiv"))
    assert policy.startswith("default-src 'none'") and "unsafe-inline'; script-src 'sha256-" in policy
    (frame,) = [of for tag, of in page.found if tag == "iframe"]
    assert frame["srcdoc"] == "<script>good()</script>" and frame["sandbox"] == "allow-scripts"


@pytest.mark.parametrize("content", ["", "[1]", '{"examples": 3}', '{"examples": [1]}'])
def test_examples_that_cannot_be_read_are_none(tmp_path, content):
    (tmp_path / "e.json").write_text(content)
    assert examples.read(tmp_path / "e.json") == {}


def test_best_values_are_marked_and_values_that_are_no_numbers_are_left_out():
    epochs = {e: EpochScores(0.1, {"dev_score": v}) for e, v in ((1, 2.0), (2, math.nan), (3, np.float32(0.5)))}
    text = html(Report("t", "finished", epochs, 3, "dev_score"))
    assert re.findall(r'class="best"[^>]*><title>(.*?)</title>', text) == ["dev, epoch 3: 0.5, the best"]
    assert "nan" in text and text.count('class="point"') == 1 + 3


def test_a_chart_of_one_value_and_of_equal_values_and_of_none():
    assert chart({}) == "" and chart({"a": {}}) == ""
    for values in ({1: 0.0}, {1: 3.0, 2: 3.0}, {1: 1e-9, 2: 1e9}, {1: -1.0, 5: 1.0}):
        numbers = re.findall(r'c[xy]="([^"]+)"', chart({"a": values}))
        assert len(numbers) == 2 * len(values) and all(0 <= float(n) <= 440 for n in numbers)


def test_a_model_of_get_model_has_a_report_with_its_ledger(tmp_path):
    (tmp_path / "c.config").write_text(HEAD + OWN + f"model = {str(tmp_path / 'model')!r}\n")
    tasks.run(load(tmp_path / "c.config"), Log(0))
    frames = [of for tag, of in Elements((tmp_path / "report.html").read_text()).found if tag == "iframe"]
    assert [frame["title"].split(":")[0] for frame in frames] == ["Ledger"]


def test_a_search_gives_the_report_its_examples(tmp_path):
    data = {"class": "Task12AXDataset", "num_seqs": 5}  # not as many as the rows of the shape that they are padded to
    given = config(tmp_path, network=NET, report=True, search_output_layer="decision", search_data=data, num_epochs=1)
    tasks.run(given, Log(0))
    tasks.run({**given, "task": "search"}, Log(0))
    told = examples.read(tmp_path / "net" / "search-examples.json")
    assert told["epoch"] == 1 and len(told["examples"]) == 5
    assert all(set(e["found"].split()) <= {"0", "1"} and e["wanted"] for e in told["examples"])
    assert "Examples of search of epoch 1" in (tmp_path / "net" / "report.html").read_text()
