"""The cases of topics are run, and those that pass are counted."""

import json

from tenure.returnn.engine_replay.__main__ import main


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
