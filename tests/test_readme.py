"""The README's example prints what the README shows."""

import os
import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).parents[1] / "README.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_example_prints_the_ledger(tmp_path):
    (tmp_path / "translator.py").write_text(blocks("python")[0])
    environment = {**os.environ, "COLUMNS": "120", "PYTHONIOENCODING": "utf-8"}
    run = subprocess.run(
        [sys.executable, "translator.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == blocks("text")[0].strip()


def test_the_error_is_what_one_gets(tmp_path):
    broken = blocks("python")[0].replace('target_embed.ref("embeddings").T', '"target_embed/embeddings"')
    (tmp_path / "lm.py").write_text(broken)
    run = subprocess.run([sys.executable, "lm.py"], cwd=tmp_path, capture_output=True, text=True)
    assert blocks("text")[-1].strip().partition(": ")[2] in run.stderr
