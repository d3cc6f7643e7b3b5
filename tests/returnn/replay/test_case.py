"""Recorded cases in a folder, and what the command says of them."""

import copy
import json

import numpy as np

from tenure.returnn.replay import load
from tenure.returnn.replay.__main__ import main
from tests.returnn.replay.recorded import made


def test_the_command(tmp_path, capsys):
    data, arrays = made()
    (tmp_path / "a.json").write_text(json.dumps(data))
    np.savez(tmp_path / "a.npz", **arrays)
    other = copy.deepcopy(data) | {"id": "other#0"}
    other["losses"]["output"]["loss"] = 0.0
    (tmp_path / "b.json").write_text(json.dumps(other))
    np.savez(tmp_path / "b.npz", **arrays)
    trained = {"id": "steps#0", "kind": "train_steps", "net_dict": {}, "flags": []}
    (tmp_path / "c.json").write_text(json.dumps(trained))
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "replay: 1 of 3 cases pass"  # the optimizer's case too
    assert main([str(tmp_path), "--only-in-scope", "--json", str(tmp_path / "out.txt")]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "replay: 1 of 2 cases pass"
    assert any("(d) losses" in line and "1 of 2" in line for line in printed)
    written = json.loads((tmp_path / "out.txt").read_text())
    assert written["passed"] == 1 and written["parts"]["grads"] == 2
    assert main([str(tmp_path), "--id", "made", "-q"]) == 0
    assert repr(load(tmp_path / "a.json")) == "Case(made#0)"


def test_the_folder_around_the_cases_and_one_without_any(tmp_path, capsys):
    data, arrays = made()
    cases = tmp_path / "cases"
    cases.mkdir()
    (cases / "a.json").write_text(json.dumps(data))
    np.savez(cases / "a.npz", **arrays)
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "replay: 1 of 1 cases pass"
    assert main([str(tmp_path / "nothing")]) == 2
    told = capsys.readouterr()
    assert "there are no recorded cases" in told.err and "replay:" not in told.out
