"""Some hypotheses of the last search, kept for the report."""

import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.watching import examples
from tests.training.engine.small import config
from tests.training.engine.test_exporting import NET


@pytest.mark.parametrize("content", ["", "[1]", '{"examples": 3}', '{"examples": [1]}'])
def test_examples_that_cannot_be_read_are_none(tmp_path, content):
    (tmp_path / "e.json").write_text(content)
    assert examples.read(tmp_path / "e.json") == {}


def test_a_search_gives_the_report_its_examples(tmp_path):
    data = {"class": "Task12AXDataset", "num_seqs": 5}  # not as many as the rows of the shape that they are padded to
    given = config(tmp_path, network=NET, report=True, search_output_layer="decision", search_data=data, num_epochs=1)
    tasks.run(given, Log(0))
    tasks.run({**given, "task": "search"}, Log(0))
    told = examples.read(tmp_path / "net" / "search-examples.json")
    assert told["epoch"] == 1 and len(told["examples"]) == 5
    assert all(set(e["found"].split()) <= {"0", "1"} and e["wanted"] for e in told["examples"])
    assert "Examples of search of epoch 1" in (tmp_path / "net" / "report.html").read_text()
