"""What ends a training from outside: ctrl-C, SIGTERM, kill -9, a full disk. The same command goes on, with the same numbers."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from tenure.training.engine.models import Models, read
from tests.cli.process import tenure, write
from tests.stress import training

LITTLE_ROOM = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # no file may be longer, as if the disk were full
os.execv(sys.executable, [sys.executable, "-u", "-m", "tenure", "train", sys.argv[1]])
"""
MORE = "log_verbosity = 5\nreport = False\nnum_epochs = 6\nnetwork['a']['dropout'] = 0.1\n"


def started(folder, name, **options):
    command = [sys.executable, "-u", "-m", "tenure", "train", name]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, number, status):
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
        name = write(tmp_path / folder, MORE)
    assert tenure("train", name, folder=tmp_path / "whole").returncode == 0
    process = started(tmp_path / "parts", name)
    for line in process.stdout:
        if "epoch 2, step 0" in line:
            process.send_signal(number)
            break
    out, errors = process.communicate(timeout=120)
    assert process.returncode == status and errors.strip().startswith("stops after the step"), errors
    assert len(errors.strip().splitlines()) == 1, errors
    assert "which are saved; the same command goes on" in out or "which is saved; the same command goes on" in out
    assert tenure("train", name, folder=tmp_path / "parts").returncode == 0
    a, b = (read(Models(tmp_path / folder / "net" / "model").path(6)) for folder in ("whole", "parts"))
    for key in a:
        np.testing.assert_array_equal(a[key], b[key])


@pytest.mark.slow
def test_a_full_disk_is_told_and_leaves_nothing_half_written(tmp_path):
    name = write(tmp_path, "report = False\nnum_epochs = 1\n")

    env = {**os.environ, "JAX_COMPILATION_CACHE_DIR": ""}
    process = subprocess.run(
        [sys.executable, "-c", LITTLE_ROOM, name], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    errors = process.stderr
    assert process.returncode == 1 and "Traceback" not in errors and "net/model.001" in errors, errors
    assert not [p for p in (tmp_path / "net").rglob("*") if p.is_file()]
    done = tenure("train", name, folder=tmp_path)
    assert done.returncode == 0 and (tmp_path / "net" / "model.001").exists(), done.stderr


@pytest.mark.slow
def test_a_sample_of_kills():
    """More with `python -m tests.stress.training`."""
    training.run(4, seed=2)
