"""RETURNN's recorded engine cases: every topic that is replayed passes, but for what is known."""

import json

import pytest

from tenure.returnn.engine_replay import replay
from tenure.returnn.engine_replay.__main__ import main
from tests.training.cases import FOLDER, KNOWN, PRESENT, WHY

recorded = pytest.mark.skipif(not PRESENT, reason=WHY)
QUICK = ["seq_order", "batching", "config", "lr_control", "pretrain", "vocab", "log_lines", "datasets"]


@recorded
@pytest.mark.parametrize("topic", QUICK)
def test_topic(topic):
    failing = {v.id: v.problems[0] for v in replay(FOLDER, topic) if not v.passed}
    assert failing.keys() == {name for name in KNOWN if name.startswith(f"{topic}/")}, failing


@recorded
@pytest.mark.parametrize("name", ["a2_12ax_blstm_chunked/forward", "b_ff_frames/eval_seq_txt", "c_blstm_ctc/priors"])
def test_runs(name):
    assert [v.problems for v in replay(FOLDER, "runs", name)] == [()]


def case(folder, topic, **fields):
    (folder / topic).mkdir(exist_ok=True)
    with (folder / topic / "cases.jsonl").open("a") as file:
        file.write(json.dumps(fields) + "\n")


def test_the_command_counts_what_passes_and_says_what_does_not(tmp_path, capsys):
    given = {"num_seqs": 2, "options": {"seq_ordering": "reverse"}, "seq_lens": None}
    for name, order in (("right", [1, 0]), ("wrong", [0, 1])):
        row = {"epoch": 1, "seed": 1, "order": order}
        case(tmp_path, "seq_order", id=f"seq_order/{name}", inputs=given, expected={"epochs": [row]})
    assert main([str(tmp_path), "--topic", "seq_order", "--json", str(tmp_path / "out.json")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "engine: 1 of 2 cases pass"
    assert lines[0].startswith("seq_order/wrong  epoch 1.order[0]: 0 expected, 1 found")
    assert json.loads((tmp_path / "out.json").read_text())["passed"] == 1


def test_a_topic_that_nobody_replays_does_not_pass(tmp_path, capsys):
    case(tmp_path, "weather", id="weather/1", inputs={}, expected={})
    assert main([str(tmp_path)]) == 1
    assert "topic 'weather' is not replayed" in capsys.readouterr().out


def test_a_folder_without_topics_is_told(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "topics are folders with a cases.jsonl" in capsys.readouterr().out
