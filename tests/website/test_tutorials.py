"""Each tutorial is a script, and runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.weights import fetch

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_runs(script, tmp_path):
    if script.stem == "whisper" and not (fetch.path("whisper").is_dir() and fetch.path("prompts").is_dir()):
        pytest.skip("make weights downloads what it reads")
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONIOENCODING": "utf-8", "PYTHONPATH": paths}
    run = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout


def test_each_is_in_the_sites_navigation_and_no_page_twice():
    listed = re.findall(
        r"^ +- (?:.*: )?(\S+\.(?:md|py))$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert SCRIPTS and {f"tutorials/{path.name}" for path in SCRIPTS} <= set(listed)
    assert len(listed) == len(set(listed)) > 40
