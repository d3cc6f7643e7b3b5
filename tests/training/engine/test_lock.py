"""One training at a time for a model."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tenure.training.engine.lock import held
from tenure.training.errors import TrainingError
from tests.cli.process import tenure, write


def test_a_second_training_is_refused_and_a_killed_one_holds_nothing(tmp_path):
    name, lock = write(tmp_path), tmp_path / "net" / ".training.lock"
    command = [sys.executable, "-m", "tenure", "train", name, "++num_epochs", "100000"]
    first = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not (lock.exists() and lock.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        second = tenure("train", name, folder=tmp_path)
        assert second.returncode == 1 and "another training writes to the folder 'net'" in second.stderr
        assert f"process {first.pid} on " in second.stderr and "Traceback" not in second.stderr
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert lock.exists()  # as it was left; nobody holds it
    third = tenure("train", name, "++task", "cleanup_old_models", folder=tmp_path)
    assert third.returncode == 0 and not lock.exists(), third.stderr


def test_the_lock_is_of_a_folder_and_gone_in_the_end(tmp_path):
    with held(tmp_path / "net" / "model") as path:
        assert path.read_text().startswith(f"process {os.getpid()} on ")
        with held(tmp_path / "other" / "model"), pytest.raises(TrainingError, match="another training writes"):
            held(tmp_path / "net" / "other").__enter__()
    assert list((tmp_path / "net").iterdir()) == []
    with held(tmp_path / "net" / "model"):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "net").write_text("a file")
    with pytest.raises(TrainingError, match="checkpoints cannot be written"), held(tmp_path / "net" / "model"):
        pass


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("text")
    (tmp_path / ".training.lock").symlink_to("precious")
    with pytest.raises(TrainingError), held(tmp_path / "model"):
        pass
    assert (tmp_path / "precious").read_text() == "text"


FULL = """
import resource, signal, sys
from pathlib import Path
from tenure.training.engine.lock import held
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file may have a byte, as if the disk were full
with held(Path(sys.argv[1]) / "model") as path:
    print(path.exists())
"""


def test_a_full_disk_is_no_reason_to_refuse_the_lock(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert not list(tmp_path.iterdir())
