"""`kill -9` at random moments of trainings, each of which goes on afterwards: in the end all values are those of an undisturbed run.

    python -m tests.stress.training --times 100

Two trainings take turns: the 12AX task with an LSTM, dropout and learning-rate control; and a language model of characters on real
sentences, with gradient accumulation, noise, and a network that grows. The undisturbed run is one process. The other one is killed at
random moments (while it starts, trains, evaluates, saves) and started again until it is done. Then parameters, optimizer states, the
number of steps and the learning-rate file are compared, bit for bit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).parents[1] / "examples" / "data" / "pairs.tsv"
COMMON = """
save_every_minutes = 0.01  # a commit every 0.6 seconds
model, learning_rate_file = "net/model", "rates"
log, report = [], False
cleanup_old_models = True
"""
TASK_12AX = """
train = {"class": "Task12AXDataset", "num_seqs": 60}
dev = dict(train, fixed_random_seed=1)
num_inputs, num_outputs = 9, 2
network = {
    "a": {"class": "rec", "unit": "nativelstm2", "n_out": 6, "from": "data", "dropout": 0.2},
    "output": {"class": "softmax", "loss": "ce", "from": "a"},
}
batching, batch_size, max_seqs = "random", 300, 6
optimizer = {"class": "nadam"}
learning_rate, num_epochs = 0.01, 4
learning_rate_control, newbob_relative_error_threshold = "newbob", 0.0
"""
TEXT = """
data = {"class": "LmDataset", "corpus_file": "text", "orth_symbols_file": "symbols", "seq_end_symbol": "[END]", "unknown_symbol": None,
        "add_delayed_seq_data": True, "delayed_seq_data_start_symbol": "[START]"}
train = dict(data, partition_epoch=2, seq_ordering="laplace:.4")
dev = dict(data)
symbols = len(open("symbols").read().splitlines())
extern_data = {"data": {"dim": symbols, "sparse": True}, "delayed": {"dim": symbols, "sparse": True}}
target = "data"
def network_of(index, net):
    if index:
        return None
    net["b"] = {"class": "copy", "from": "a"}
    net["#config"] = {"learning_rate": 0.002}
    return net
network = {
    "embed": {"class": "linear", "activation": None, "n_out": 8, "from": "data:delayed"},
    "a": {"class": "rec", "unit": "nativelstm2", "n_out": 12, "from": "embed"},
    "b": {"class": "linear", "activation": "relu", "n_out": 12, "from": "a", "dropout": 0.1},
    "output": {"class": "softmax", "loss": "ce", "from": "b", "target": "data"},
}
pretrain = {"construction_algo": network_of, "copy_param_mode": "subset"}
batch_size, max_seqs = 2000, 20
optimizer, accum_grad_multiple_step, gradient_noise = {"class": "adam"}, 2, 0.01
learning_rate, num_epochs = 0.005, 5
"""
CONFIGS = {"12ax": TASK_12AX, "text": TEXT}


def write(folder: Path, name: str) -> None:
    """A training's folder: its config, and its data."""
    folder.mkdir(parents=True)
    (folder / "train.config").write_text("#!rnn.py\n" + CONFIGS[name] + COMMON)
    if name == "text":
        sentences = [
            line.split("\t")[0].strip()
            for line in DATA.read_text(encoding="utf-8").splitlines()
            if line.strip() and line[0] != "#"
        ]
        (folder / "text").write_text("\n".join(sentences), encoding="utf-8")
        characters = sorted(set("".join(sentences)))
        (folder / "symbols").write_text("\n".join([*characters, "[END]", "[START]"]), encoding="utf-8")


def train(folder: str, told: Any) -> None:
    """What the process does: trains, and tells of its first step."""
    from tenure.training.config import from_command_line
    from tenure.training.engine import tasks
    from tenure.training.engine.log import Log

    def watch(what: str, _: Any) -> None:
        if what == "step":
            told.send_bytes(b"s")

    os.chdir(folder)
    tasks.run(from_command_line(["train.config"]), Log(0), watch)


class Trainings:
    """Processes that train."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")  # which has imported what every process needs
        self._context.set_forkserver_preload(["tenure.training.engine.tasks"])

    def run(self, folder: Path, kill: tuple[str, float] | None = None) -> bool:
        """Trains, and kills the process after some seconds: of its "start", or of its first "step".

        Returns:
          Whether the training was done before.
        """
        reading, telling = self._context.Pipe(duplex=False)
        process = self._context.Process(target=train, args=(str(folder), telling))
        process.start()
        telling.close()
        if kill is not None:
            if kill[0] == "step":
                while process.is_alive() and not reading.poll(0.05):
                    pass
            _drain_until(reading, process, time.monotonic() + kill[1])
            process.kill()
        while process.is_alive():
            _drain_until(reading, process, time.monotonic() + 1.0)
        process.join()
        reading.close()
        assert process.exitcode in (0, -9), f"the training ended with {process.exitcode}"
        return process.exitcode == 0


def _drain_until(reading: Any, process: Any, end: float) -> None:
    while (left := end - time.monotonic()) > 0 and process.is_alive():
        try:
            if reading.poll(min(left, 0.2)):
                reading.recv_bytes()
        except EOFError:
            process.join(left)


def values(folder: Path) -> dict[str, Any]:
    """All that the last checkpoint of a training holds, and the learning-rate file without times."""
    from tenure.checkpoints.opened import Opened
    from tenure.training.engine.models import Models

    models = Models(folder / "net" / "model")
    assert not models.unfinished.exists(), "a commit inside of an epoch was left"
    last = models.existing()[max(models.existing())]
    opened = Opened(last)
    found: dict[str, Any] = {"step": opened.body["step"], "name": last.name}
    for group in ("params", "state", "training"):
        found |= {f"{group}/{name}": leaf.read() for name, leaf in opened.leaves(group).items()}
    rates = (folder / "rates").read_text()
    return {**found, "rates": [line for line in rates.splitlines() if "time_secs" not in line]}


def compare(whole: dict[str, Any], parts: dict[str, Any]) -> None:
    """Fails where anything differs."""
    assert whole.keys() == parts.keys(), whole.keys() ^ parts.keys()
    for name, value in whole.items():
        if isinstance(value, np.ndarray):
            same = value.dtype == parts[name].dtype and value.tobytes() == parts[name].tobytes()
        else:
            same = value == parts[name]
        assert same, f"{name} differs: {value} undisturbed, {parts[name]} with kills"


def run(times: int, seed: int, say: Any = print, configs: Any = tuple(CONFIGS)) -> None:
    """So many kills; an assertion fails where a training that was killed differs in the end."""
    rng, trainings, kills, rounds = random.Random(seed), Trainings(), 0, 0
    with tempfile.TemporaryDirectory() as root:
        whole, seconds = {}, {}
        for name in configs:
            folder = Path(root) / name / "whole"
            write(folder, name)
            for _ in range(2):  # the second time as fast as those that follow, if compiled programs are kept
                shutil.rmtree(folder)
                write(folder, name)
                began = time.monotonic()
                assert trainings.run(folder)
                seconds[name] = time.monotonic() - began
            whole[name] = values(folder)
        while kills < times:
            name = configs[rounds % len(configs)]
            rounds += 1
            folder = Path(root) / name / f"round-{rounds}"
            write(folder, name)
            here = 0
            while True:
                kind, share = ("start", 0.5) if rng.random() < 0.15 else ("step", 0.2)
                kill = (kind, rng.uniform(0, share * seconds[name]))
                done = trainings.run(folder, kill if kills < times else None)
                if done:
                    break
                kills, here = kills + 1, here + 1
            compare(whole[name], values(folder))
            say(f"round {rounds}, {name}: the same to the bit after {here} kills ({kills} in all)")
    say(f"{kills} kills in {rounds} trainings: all values are those of undisturbed runs")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    run(given.times, given.seed)


if __name__ == "__main__":
    main()
