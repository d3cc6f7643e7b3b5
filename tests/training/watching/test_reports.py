"""The files that a training writes after each epoch: scores, curves, and the report."""

import json

from tenure.training.config import load
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.watching.reports import names
from tests.training.engine.small import config
from tests.training.engine.test_own_model import HEAD, OWN
from tests.training.watching.pages import Elements


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


def test_a_model_of_get_model_has_a_report_with_its_ledger(tmp_path):
    (tmp_path / "c.config").write_text(HEAD + OWN + f"model = {str(tmp_path / 'model')!r}\n")
    tasks.run(load(tmp_path / "c.config"), Log(0))
    frames = [of for tag, of in Elements((tmp_path / "report.html").read_text()).found if tag == "iframe"]
    assert [frame["title"].split(":")[0] for frame in frames] == ["Ledger"]
