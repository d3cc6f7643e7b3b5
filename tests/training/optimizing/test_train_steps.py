"""RETURNN's recorded training steps: the same objectives and parameters after each step."""

import json

import pytest

from tenure.returnn.replay import check, load
from tests.replay.cases import BESIDE as FOLDER
from tests.sample import sample

INDEX = FOLDER / "index.json"
ROWS = [r for r in json.loads(INDEX.read_text()) if r.get("kind") == "train_steps"] if INDEX.exists() else []


@pytest.mark.skipif(not ROWS, reason="no recorded cases beside the repository (TENURE_REPLAY names another folder)")
@pytest.mark.parametrize("row", sample(ROWS, 3, lambda row: row["id"]))
def test_steps(row):
    verdict = check(load(FOLDER / row["file"]))
    assert verdict.passed, "\n".join(verdict.problems)
