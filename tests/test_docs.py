"""The code in the docs runs."""

import pathlib
import re

import pytest

from tenure.stages import Stage

DOCS = pathlib.Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("page", ["checkpoints.md", "stages.md"])
def test_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.S | re.M)
    assert blocks
    names: dict = {"__name__": "docs"}
    try:
        for block in blocks:
            exec(compile(block, str(DOCS / page), "exec"), names)
    finally:
        Stage.registry.pop("clip_in_docs", None)
