"""Commands as people run them, each in a process of its own; and in the test's process, where the start of one is not what is tested."""

import contextlib
import io
import os
import subprocess
import sys
import warnings

from tenure.cli.main import main


def tenure(*arguments, folder=None):
    """What `tenure …` says and returns, with the folder as the working directory."""
    command = [sys.executable, "-m", "tenure", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**os.environ, "COLUMNS": "120"}, timeout=300
    )


def here(*arguments, folder="."):
    """The same without a process, whose imports take more than a second."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            try:
                code = main([*map(str, arguments)])
            except SystemExit as stopped:
                code = stopped.code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


CONFIG = """#!rnn.py
train = {"class": "Task12AXDataset", "num_seqs": 12}
dev = dict(train, fixed_random_seed=1)
num_inputs, num_outputs = 9, 2
network = {
    "a": {"class": "linear", "activation": "tanh", "n_out": 9, "from": "data"},
    "b": {"class": "linear", "activation": "tanh", "n_out": 9, "from": "a", "reuse_params": "a"},
    "output": {"class": "softmax", "loss": "ce", "from": "b"},
}
batch_size = 300
optimizer = {"class": "adam"}
learning_rate = 0.01
model = "net/model"
learning_rate_file = "rates"
num_epochs = 2
"""


def write(folder, more="", name="train.config"):
    """A config for a training of seconds, in the folder; `more` comes after its keys."""
    (folder / name).write_text(CONFIG + more)
    return name
