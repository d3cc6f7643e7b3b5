"""`python -m benchmarks.returnn --python PYTHON`: both libraries, the same dictionary, batch and values, in turns."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.returnn.networks import NETWORKS

ROOT = Path(__file__).parents[2]


class Worker:
    """A process that trains with one of the libraries."""

    def __init__(self, module: str, python: str):
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]), "TF_CPP_MIN_LOG_LEVEL": "2"}
        self.process = subprocess.Popen(
            [python, "-m", f"benchmarks.returnn.{module}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
            cwd=ROOT,
        )

    def ask(self, **told: Any) -> dict[str, Any]:
        """Its answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(told), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args}: ended with {self.process.wait()}; run it by hand to see why")
        return json.loads(line)


def compare(name: str, python: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Steps a second of both, in turns; first the losses must agree."""
    ours, theirs = Worker("tenure_worker", sys.executable), Worker("returnn_worker", python)
    losses = [w.ask(prepare=name)["losses"] for w in (ours, theirs)]
    np.testing.assert_allclose(*losses, rtol=2e-4)
    rates: list[tuple[float, float]] = []
    for i in range(rounds):
        pair = [(w, w.ask(run=seconds)["rate"]) for w in ((ours, theirs) if i % 2 else (theirs, ours))]
        found = dict(pair)
        rates.append((found[ours], found[theirs]))
    for worker in (ours, theirs):
        assert worker.process.stdin is not None
        worker.process.stdin.close()
        worker.process.wait()
    ratio = statistics.median(a / b for a, b in rates)
    return {
        "network": name,
        "tenure": statistics.median(a for a, _ in rates),
        "returnn": statistics.median(b for _, b in rates),
        "ratio": ratio,
        "loss": losses[0][0],
    }


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.returnn", description=__doc__)
    parser.add_argument("--python", required=True, help="of an environment with RETURNN and TensorFlow")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn")
    parser.add_argument("--network", action="append", choices=list(NETWORKS), default=[])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = [compare(n, given.python, given.rounds, given.seconds) for n in given.network or NETWORKS]
    print("| network | Tenure, steps/s | RETURNN, steps/s | ratio |\n|---|---|---|---|")
    for row in found:
        print(f"| {row['network']} | {row['tenure']:.2f} | {row['returnn']:.2f} | {row['ratio']:.2f} |")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
