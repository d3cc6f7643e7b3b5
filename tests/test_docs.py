"""The code in the docs runs, and prints what the pages say."""

from pathlib import Path

import pytest

from tenure.network import registry
from tenure.stages import Stage
from website import outputs

DOCS = Path(__file__).parents[1] / "docs"
OWN = {"errors", "coming-from-haiku", "converting"}  # which have tests of their own beside what they are about
PAGES = sorted(p for p in DOCS.glob("*.md") if "```python" in p.read_text(encoding="utf-8") and p.stem not in OWN)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        ran = list(outputs.blocks(page))
    finally:
        Stage.registry.pop("clip_in_docs", None)  # what pages define is theirs
        registry.load().pop("halved", None)
    assert ran
    assert [found for found in map(outputs.problem, ran) if found] == []
