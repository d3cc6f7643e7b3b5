"""What ends a training from outside: ctrl-C, SIGTERM, kill -9, a full disk. The same command goes on, with the same numbers."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models, metadata, read
from tenure.training.engine.signals import Stopped
from tenure.training.errors import DataSetError
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


class Ended:
    """A source whose loading fails as SIGTERM comes: so do processes that load when all of a job are told to end."""

    at = None

    def __init__(self):
        self.waits = threading.Event()

    def __len__(self):
        return 40

    def __getitem__(self, index):
        if index == self.at:
            self.waits.wait(30)
            time.sleep(0.2)  # the training waits for this, too
            os.kill(os.getpid(), signal.SIGTERM)
            raise DataSetError("a process that loads sequences has died")
        return {"data": np.full((3, 2), index / 40, "float32"), "classes": np.full(3, index % 2)}


@pytest.mark.parametrize("name", ["train", "dev"])
def test_what_is_trained_is_saved_if_the_signal_ends_what_loads_too(tmp_path, name):
    sources = {"train": Ended(), "dev": Ended()}
    given = {
        **{
            key: {"class": "SourceDataset", "source": lambda s=s: s, "seq_ordering": "default", "dims": {"classes": 2}}
            for key, s in sources.items()
        },
        "model": str(tmp_path / "model"),
        "report": False,
        "extern_data": {"data": {"dim": 2}, "classes": {"dim": 2, "sparse": True}},
        "network": {"output": {"class": "softmax", "loss": "ce", "from": "data"}},
        "max_seqs": 4,
        "recurrent_net": True,
        "num_epochs": 1,
        "save_interval": 5,
        "buckets": "exact",
    }

    def told(what, values):
        if what == "step" and (values["dataset"], values["step"]) in (("train", 5), ("dev", 6)):
            sources[values["dataset"]].waits.set()

    before = signal.getsignal(signal.SIGTERM)
    sources[name].at = 30
    with pytest.raises(Stopped, match="in epoch 1 after 7 steps, which are saved|while 'dev' was evaluated"):
        tasks.run(given, Log(0), told)
    assert signal.getsignal(signal.SIGTERM) is before
    models = Models(tmp_path / "model")
    assert metadata(models.unfinished)["done"] == 7 if name == "train" else list(models.existing()) == [1]
    sources[name].at = None
    tasks.run(given, Log(0))
    assert list(models.existing()) == [1] and not models.unfinished.exists()


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
