"""The README's example prints what the README shows."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"


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


def first_hour():
    return next(block for block in blocks("python") if "def tagger" in block)


def test_the_first_hour_runs_on_four_devices(tmp_path):
    (tmp_path / "tagger.py").write_text(first_hour(), encoding="utf-8")
    environment = {
        **os.environ,
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, "-W", "error", "tagger.py"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    first, second, third = run.stdout.splitlines()
    assert float(first.split()[1].rstrip(",")) < 4.0 and "69,288 parameters of which 128 are frozen" in first
    assert second == "(3, 16, 1000) True True"
    assert "'model'" in third and third.endswith("4 devices")


def test_the_first_hour_mentions_what_a_newcomer_needs():
    text = README.read_text(encoding="utf-8")
    for word in (
        "pip install tenure",
        "3.11 to 3.13",
        "transform_with_state",
        "nn.dropout",
        "tn.evaluation",
        "jax.grad",
    ):
        assert word in text, word
    for word in ("ledger.mask", "sum** over frames", "use_normalized_loss", "symbolic_shape", "pickle"):
        assert word in text, word


def test_links_are_absolute_and_lead_to_files():
    text = README.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links and all(link.startswith("https://") for link in links)
    ours = [link.partition("/blob/main/")[2] for link in links if "/blob/main/" in link]
    assert ours and all((ROOT / path).exists() for path in ours)
