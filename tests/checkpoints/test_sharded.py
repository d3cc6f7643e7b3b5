"""Arrays that are sharded over real processes."""

import os
import socket
import subprocess
import sys

import pytest

import tenure as tn
from tenure.checkpoints import errors
from tests.checkpoints.golden import numbers
from tests.checkpoints.models import TOKENS, equal, translator


def together(folder, task, count):
    """Runs that many processes, and returns what they say."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.checkpoints.sharded_worker", str(port)]
    running = [
        subprocess.Popen(
            [*command, str(i), str(count), str(folder), task],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(count)
    ]
    said = [process.communicate(timeout=100)[0] for process in running]
    for process, text in zip(running, said):
        assert process.returncode == 0 and text.rstrip().endswith("done"), text[-3000:]


@pytest.mark.slow
def test_two_processes_save_together_and_any_number_restores(tmp_path):
    together(tmp_path, "save", 2)
    names = sorted(os.listdir(tmp_path / "run"))
    assert names == ["params-2.ocdbt", "tenure.json", "training-2.ocdbt"]
    assert sorted(os.listdir(tmp_path)) == ["manager", "run"]
    together(tmp_path, "load", 1)
    together(tmp_path, "load", 2)
    plan = tn.transform(translator).plan(TOKENS)
    assert equal(tn.restore(tmp_path / "run", plan).params, numbers(plan.params))
    damage(tmp_path / "run" / "params-2.ocdbt")
    with pytest.raises(errors.DamagedError, match=r"params-2\.ocdbt"):
        tn.restore(tmp_path / "run", plan)


def damage(folder):
    """Flips a bit in every file of data."""
    for file in folder.rglob("d/*"):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
