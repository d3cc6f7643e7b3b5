"""Each tutorial is a script, and runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "docs" / "tutorials").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_runs(script, tmp_path):
    environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONIOENCODING": "utf-8"}
    run = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout


def test_each_is_in_the_sites_navigation():
    site = (Path(__file__).parents[2] / "mkdocs.yml").read_text(encoding="utf-8")
    assert SCRIPTS and all(f"tutorials/{path.name}" in site for path in SCRIPTS)
