"""What the training tool costs beside the compiled step, and whether its memory stays as it is.

    python -m benchmarks.training --rounds 9 --out docs/benchmarks-training.md

Throughput: one process, one network (two bidirectional LSTM layers) and one data set (an HDF file). The tool trains an epoch: it reads,
pads, shuffles, computes, tells. The bare loop calls the same compiled step on the same batches, which lie in memory already, and does
nothing else. They take turns, and start from the same values. Memory: what a process holds after each of 50 epochs of a training with
evaluation, checkpoints, learning-rate control and the report.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.timing import CPU, Samples, turns
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.training import Position, Training

BAR, EPOCHS = 0.97, 50
FEATURES, LABELS, SEQUENCES = 40, 30, 320


def config(folder: Path, size: int, sequences: int = SEQUENCES) -> dict[str, Any]:
    """A training on an HDF file, which is written."""
    import h5py

    rng = np.random.default_rng(0)
    lengths = rng.integers(30, 80, sequences)
    with h5py.File(folder / "train.hdf", "w") as file:
        file["inputs"] = rng.normal(size=(lengths.sum(), FEATURES)).astype(np.float32)
        file["seqLengths"] = np.stack([lengths, lengths], 1).astype(np.int32)
        file["seqTags"] = np.array([f"sequence-{i}".encode() for i in range(sequences)])
        file["targets/data/classes"] = rng.integers(0, LABELS, lengths.sum()).astype(np.int32)
        file["targets/size"] = np.array([])
        file["targets/size"].attrs["classes"] = LABELS
        file.attrs.update(inputPattSize=FEATURES, numLabels=LABELS, numSeqs=sequences, numTimesteps=int(lengths.sum()))
    layer = {"class": "rec", "unit": "nativelstm2", "n_out": size}
    return {
        "model": f"{folder}/net/model",
        "train": {"class": "HDFDataset", "files": [f"{folder}/train.hdf"]},
        "extern_data": {"data": {"dim": FEATURES}, "classes": {"dim": LABELS, "sparse": True}},
        "network": {
            "a": {**layer, "direction": 1, "from": "data"},
            "b": {**layer, "direction": -1, "from": "data"},
            "c": {**layer, "direction": 1, "from": ["a", "b"], "dropout": 0.1},
            "d": {**layer, "direction": -1, "from": ["a", "b"], "dropout": 0.1},
            "output": {"class": "softmax", "loss": "ce", "from": ["c", "d"]},
        },
        "batching": "laplace:.20",
        "batch_size": 1600,
        "optimizer": {"class": "adam"},
        "learning_rate": 0.001,
        "gradient_clip_global_norm": 5.0,
        "report": False,
        "log_verbosity": 5,
    }


class Both:
    """The tool and the bare loop, on the same epoch."""

    def __init__(self, folder: Path, size: int, sequences: int = SEQUENCES):
        self.training = Training(config(folder, size, sequences), Log(5, out=io.StringIO()))
        self.training.set_network(1)
        self._start = jax.device_get(self.training.state)
        feed = self.training.feeds.of(
            "train", self.training.config["train"], {"seq_ordering": "laplace:.20"}, self.training.config,
            self.training.network, training=True,
        )  # fmt: skip
        place = self.training.steps.fed
        self.batches = [jax.block_until_ready(place(feed.fed(batch))) for batch in feed.batches(1)]
        self.frames = int(sum(np.sum(batch["classes"][1]) for batch in jax.device_get(self.batches)))

    def reset(self) -> None:
        """The values that both start from."""
        self.training.state = jax.block_until_ready(self.training.steps.placed(self._start))

    def tool(self) -> Any:
        """An epoch of the tool."""
        self.training._train(Position(1, 0, 0), self.training.config_of(1), 0.001)
        return self.training.state

    def bare(self) -> Any:
        """The compiled step, over and over."""
        state, steps, key = self.training.state, self.training.steps, jax.random.key(0)
        for number, batch in enumerate(self.batches):
            state, *_ = steps.train(state, batch, 0.001, number, key)
        return state


def throughput(rounds: int, size: int, sequences: int = SEQUENCES) -> tuple[Samples, Both]:
    """The times of both, in turns; the first turn of each, which compiles, is left out."""
    samples = Samples()
    with tempfile.TemporaryDirectory() as folder:
        both = Both(Path(folder), size, sequences)
        for _, who in turns(["tool", "bare"], 2):
            both.reset()
            getattr(both, who)()
        for number, who in turns(["tool", "bare"], rounds):
            both.reset()
            samples.timed("epoch", who, getattr(both, who))
            print(number, who, f"{samples.values['epoch'][who][-1]:.2f} s", file=sys.stderr, flush=True)
    return samples, both


def resident() -> int:
    """What this process holds in memory, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory(epochs: int = EPOCHS, sequences: int = SEQUENCES) -> None:
    """Prints what the process holds after each epoch of a small training."""
    with tempfile.TemporaryDirectory() as folder:

        def watch(what: str, _: Any) -> None:
            if what == "evaluated":
                print(resident(), flush=True)

        given = config(Path(folder), 4, sequences)
        given |= {
            "dev": given["train"],
            "learning_rate_file": f"{folder}/rates",
            "learning_rate_control": "newbob_multi_epoch",
            "num_epochs": epochs,
            "cleanup_old_models": True,
            "report": True,
        }
        tasks.run(given, Log(0), watch)


def page(samples: Samples, both: Both, held: list[int], given: argparse.Namespace) -> str:
    """The page of all numbers."""
    shares = {}
    for measure in ("epoch", "epoch" + CPU):
        pairs = zip(samples.values[measure]["bare"], samples.values[measure]["tool"], strict=True)
        each = [bare / tool for bare, tool in pairs]
        best = min(samples.values[measure]["bare"]) / min(samples.values[measure]["tool"])
        shares[measure] = (statistics.median(each), best)
    median = {who: samples.median("epoch", who) or 0.0 for who in ("tool", "bare")}
    mib = [n / 2**20 for n in held]
    rows = [f"| {who} | {median[who]:.2f} | {both.frames / median[who]:,.0f} |" for who in ("tool", "bare")]
    return f"""# Training: speed and memory

`python -m benchmarks.training --rounds {given.rounds} --size {given.size}`: {os.cpu_count()} cores; {len(both.batches)} batches with {both.frames:,} frames, two bidirectional LSTM layers of {given.size}.
`tool` is an epoch of `tenure train`: reading, padding, computing, telling of each step. `bare` is the same compiled step on the same batches in memory.

| | seconds, median | frames a second |
|:--|--:|--:|
{chr(10).join(rows)}

Throughput of the tool by that of the bare step (bar: {BAR}): by the clock {shares["epoch"][0]:.3f} (median of the ratios within a round) and
{shares["epoch"][1]:.3f} (best by best); by processor time {shares["epoch" + CPU][0]:.3f} and {shares["epoch" + CPU][1]:.3f}. The processor time of the tool has that of reading, which
goes on beside the computing.

Memory of a process over {len(held)} epochs of a small training with evaluation, checkpoints, learning-rate control and the report: {mib[0]:,.0f} MiB after the
first epoch, {mib[len(mib) // 5]:,.0f} after {len(mib) // 5 + 1}, {mib[len(mib) // 2]:,.0f} after {len(mib) // 2 + 1}, {mib[-1]:,.0f} after the last one.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=128, help="of the LSTM layers")
    parser.add_argument("--sequences", type=int, default=SEQUENCES, help="of the data")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the training whose memory is looked at")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.memory:
        return memory(given.epochs, given.sequences)
    samples, both = throughput(given.rounds, given.size, given.sequences)
    command = [sys.executable, "-m", "benchmarks.training", "--memory"]
    command += ["--epochs", str(given.epochs), "--sequences", str(given.sequences)]
    held = [int(line) for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()]
    text = page(samples, both, held, given)
    print(text)
    if given.out is not None:
        given.out.write_text(text)
    return None


if __name__ == "__main__":
    main()
