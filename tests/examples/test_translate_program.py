"""The program as its user runs it: to the end, interrupted, and continued."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tenure as tn
from tenure.checkpoints import peek
from tests.checkpoints.models import equal

ROOT = Path(__file__).parents[2]
SMALL = ["--held-out", "20", "--width", "16", "--layers", "1", "--heads", "2", "--vocabulary", "400"]
FILES = [
    *("checkpoint", "learning_curve.png", "ledger.html", "results.json"),
    *("translations.tsv", "vocabulary.model"),
]


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One cache for all tests, so that each program is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def start(pairs_file, cache):
    """Starts the program; ends it, should the test not have."""
    started = []

    def run(out, *options):
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        command = [sys.executable, "-u", "-m", "examples.translate", *SMALL, *options]
        files = ["--pairs", str(pairs_file), "--out", str(out), "--cache", str(cache)]
        started.append(
            subprocess.Popen(
                [*command, *files],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def finish(process, code=0):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    return output


def interrupt(process, after):
    """Sends ctrl-C at the first line with `after`; returns all output."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if after in line:
            process.send_signal(signal.SIGINT)
            break
    return "".join(lines) + finish(process, code=130)


@pytest.mark.slow
def test_an_interrupted_run_continues_to_the_same_end(tmp_path, start):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    output = finish(start(whole, "--steps", "40"))
    for text in (
        "translator/target_embed/embeddings",
        "3 users",
        "tokens/s",
        "compiled the step for",
        "validation perplexity",
        "BLEU",
        "chrF",
    ):
        assert text in output
    assert sorted(path.name for path in whole.iterdir()) == FILES
    results = json.loads((whole / "results.json").read_text())
    assert results["step"] == 40 and results["perplexity"] > 1 and not results["untied"]

    output = interrupt(start(parts, "--steps", "40"), after="compiled the step for")
    assert "saved" in output and "the same command continues" in output
    assert 0 < peek(parts / "checkpoint").step < 40
    output = finish(start(parts, "--steps", "40"))
    assert "continuing" in output

    one, two = (tn.restore(out / "checkpoint") for out in (whole, parts))
    assert equal(one.params, two.params)
    assert one.ledger.users_of("translator/source_embed/embeddings")[1:] == (
        "translator/target_embed/embeddings",
        "translator/output/w",
    )


@pytest.mark.slow
def test_three_matrices_are_another_run(tmp_path, start):
    finish(start(tmp_path / "run", "--steps", "2"))
    output = finish(start(tmp_path / "run", "--steps", "4", "--untied"), code=1)
    assert "tied is True there, False here" in output and "--fresh" in output
    finish(start(tmp_path / "run", "--steps", "4", "--untied", "--fresh"))
    owners = peek(tmp_path / "run" / "checkpoint").ledger.owners
    ends = ("source_embed/embeddings", "target_embed/embeddings", "output/w")
    assert {f"translator/{end}" for end in ends} <= set(owners)


@pytest.mark.slow
def test_a_trained_model_translates_what_it_is_given(tmp_path, start):
    output = finish(start(tmp_path, "--translate", "Light"), code=1)
    assert "nothing is trained yet" in output
    finish(start(tmp_path, "--steps", "2"))
    output = finish(start(tmp_path, "--translate", "Light", "--translate", "Turn on"))
    assert len(output.splitlines()) == 2


def test_help_does_not_wait_for_jax():
    begin = time.monotonic()
    code = "import sys; from examples.translate.options import parse; from examples.translate import __main__; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert time.monotonic() - begin < 5
