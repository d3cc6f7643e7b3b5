"""R43: every error names the rule, both parties with path, shape and line, the nearest names, and ways out.

Each message is compared with a file under snapshots/; `TENURE_UPDATE_SNAPSHOTS=1` rewrites them.
"""

import copy
import inspect
import os
import pathlib
import pickle

import pytest

from tenure.core import errors
from tests.core.error_models import CASES

SNAPSHOTS = pathlib.Path(__file__).parent / "snapshots"


def raised(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # lines are shown as 'error_models.py:12', wherever the tests run
    error, function = CASES[name]
    with pytest.raises(error) as caught:
        function()
    assert type(caught.value) is error, "the very type, not another one under it"
    return caught.value


@pytest.mark.parametrize("name", CASES)
def test_snapshot(name, tmp_path, monkeypatch):
    error = raised(name, tmp_path, monkeypatch)
    message = f"{type(error).__name__}: {error}\n"
    snapshot = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("TENURE_UPDATE_SNAPSHOTS") == "1":
        snapshot.write_text(message, encoding="utf-8")
    assert message == snapshot.read_text(encoding="utf-8")
