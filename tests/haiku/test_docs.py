"""The code of the page for people who come from Haiku runs, from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "coming-from-haiku.md"


def words(line: str) -> str:
    """A line without the place in the program, and however it is spaced."""
    return " ".join(re.sub(r"\S+:\d+$", "", line.rstrip()).split())


def test_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Each block runs, and prints what its comments say after a `print`; … stands for lines left out."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) > 12
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, "model.py", "exec"), names)
        printed = [words(line) for line in capsys.readouterr().out.splitlines()]
        shown = [words(line[1:]) for line in block.splitlines() if line.startswith("# ")]
        assert not [line for line in shown if line != "…" and line not in printed], "\n".join(printed)
