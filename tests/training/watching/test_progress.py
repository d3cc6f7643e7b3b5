"""The line of progress: what it says, where it stays, and that compilation counts for no speed."""

import io
import os
import pty
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tenure.training.engine.log import Log
from tenure.training.watching.progress import Progress
from tests.cli.process import write


def batch(indices, frames=100, dtype=np.float32):
    shape = (1, frames) if dtype == np.int32 else (1, frames, 9)
    return SimpleNamespace(
        indices=indices, lengths={"data": np.array([frames])}, arrays={"data": np.zeros(shape, dtype)}
    )


COSTS = {"cost:output": np.float32(0.5), "error:output": np.float32(0.25), "loss": np.float32(2.0)}


def told(times, compiling, dtype=np.float32, costs=COSTS):
    """What is said of one step at each time; the last one compiles until its time."""
    out, now, spent = io.StringIO(), [0.0], [0.0]
    progress = Progress(Log(3, out=out), lambda: now[0], lambda: spent[0])
    progress("epoch", {"epoch": 1, "rate": 0.1, "training": None})
    for number, at in enumerate(times):
        now[0], spent[0] = at, compiling[number]
        event = {"epoch": 1, "dataset": "train", "step": number, "costs": costs, "batch": batch((number,), dtype=dtype)}
        progress("step", {**event, "sequences": 10})
    progress("evaluated", {"epoch": 1, "training": None})
    return out.getvalue().splitlines()


def test_lines_that_stay_come_now_and_then_and_name_compilation():
    first, second, last = told([1, 20, 40, 50, 90], [0, 10, 20, 20, 20])
    assert first == "epoch 1   30%  step 2  loss 0.5  error 0.25  15 frames/s  0:00:46 left  compiled 20.0 s"
    assert second.startswith("epoch 1   50%  step 4") and "7 frames/s" in second
    assert last == "epoch 1 speed: 7 frames/s; 20.0 s of 90.0 s were compilation"


def test_a_loss_without_an_error_is_told_alone():
    line, _ = told([1, 40], [0, 0], costs={"cost:output": np.float32(0.5), "loss": np.float32(2.0)})
    assert "loss 0.5  5 frames/s" in line and "error" not in line


def test_labels_are_tokens_and_a_short_epoch_is_told_in_one_line():
    assert told([1, 2], [0, 0], np.int32) == ["epoch 1 speed: 100 tokens/s in 2.0 s"]


def test_the_first_step_of_an_evaluation_has_no_speed():
    out, now = io.StringIO(), [0.0]
    progress = Progress(Log(3, out=out), lambda: now[0], lambda: 0.0)
    for number, at in enumerate([50, 100]):
        now[0] = at
        event = {"epoch": 1, "dataset": "dev", "step": number, "costs": {}, "batch": batch((number,)), "sequences": 4}
        progress("step", event)
    assert out.getvalue().splitlines() == [
        "epoch 1 'dev'   25%  step 0",
        "epoch 1 'dev'   50%  step 1  2 frames/s  0:01:40 left",
    ]


def test_a_terminal_gets_a_line_that_changes_and_is_gone_in_the_end(tmp_path):
    write(tmp_path)
    here, there = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    command = [sys.executable, "-m", "tenure", "train", "train.config"]
    with subprocess.Popen(
        command, stdout=there, stderr=there, stdin=subprocess.DEVNULL, cwd=tmp_path, env=environment
    ) as process:
        os.close(there)
        said = b""
        while True:
            try:
                part = os.read(here, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            said += part
        assert process.wait(60) == 0
    os.close(here)
    text = said.decode()
    assert "\r\x1b[Kepoch 1: loading data and compiling the first step" in text
    assert re.search(
        r"\r\x1b\[Kepoch 1  [ \d]{3}%  step \d+  loss [\d.]+  error [\d.]+  [\d,]+ frames/s  \S+ left", text
    )
    kept = [line.rsplit("\x1b[K", 1)[-1] for line in text.replace("\r\n", "\n").split("\n")]
    assert "start epoch 1 with learning rate 0.01 ..." in kept and kept[-2] == "Finished training in epoch 2."
    assert not any("left" in line for line in kept)


@pytest.mark.parametrize("verbosity, live", [(2, False), (3, True), (4, True), (5, False)])
def test_the_line_is_there_for_people_only(verbosity, live, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    out.isatty = lambda: True
    assert Log(verbosity, out=out).live == live
    monkeypatch.setenv("TERM", "dumb")
    assert not Log(verbosity, out=out).live
