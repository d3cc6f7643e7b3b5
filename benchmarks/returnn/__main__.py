"""`python -m benchmarks.returnn --python PYTHON`: both libraries, the same dictionary, batch and values, in turns."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.returnn.networks import NETWORKS, SIZES
from benchmarks.returnn.processes import Worker


def compare(name: str, size: str, python: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Steps a second of both, in turns; first the losses must agree."""
    ours, theirs = Worker("tenure_worker", sys.executable), Worker("returnn_worker", python)
    prepared = [w.ask(prepare=name, kind=size) for w in (ours, theirs)]
    np.testing.assert_allclose(*(p["results"] for p in prepared), rtol=2e-4)
    rates: list[tuple[float, float]] = []
    for i in range(rounds):
        found = {w: w.ask(run=seconds)["rate"] for w in ((ours, theirs) if i % 2 else (theirs, ours))}
        rates.append((found[ours], found[theirs]))
    for worker in (ours, theirs):
        worker.close()
    return {
        "network": name,
        "size": size,
        "tenure": statistics.median(a for a, _ in rates),
        "returnn": statistics.median(b for _, b in rates),
        "ratio": statistics.median(a / b for a, b in rates),
        "gflop": prepared[0]["flops"] / 1e9,
    }


def peak() -> float:
    """What this machine does in a large matrix product of floats, in GFLOP/s."""
    n = 2048
    product = jax.jit(jnp.matmul)
    x = jnp.ones((n, n), jnp.float32)
    product(x, x).block_until_ready()
    took = []
    for _ in range(30):
        start = time.perf_counter()
        product(x, x).block_until_ready()
        took.append(time.perf_counter() - start)
    return 2 * n**3 / min(took) / 1e9


def table(rows: list[dict[str, Any]], limit: float) -> str:
    """The rows in Markdown; shares of the peak say how much a faster library could gain."""
    lines = [
        "| network | size | GFLOP a step | Tenure, steps/s | RETURNN, steps/s | ratio | of the peak: Tenure | RETURNN |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        shares = [f"{r[k] * r['gflop'] / limit:.0%}" for k in ("tenure", "returnn")]
        cells = [r["network"], r["size"], f"{r['gflop']:.3g}", f"{r['tenure']:.4g}", f"{r['returnn']:.4g}"]
        lines.append("| " + " | ".join([*cells, f"{r['ratio']:.2f}", *shares]) + " |")
    return "\n".join([*lines, "", f"Peak: a product of 2048 x 2048 float32 matrices, {limit:.0f} GFLOP/s."])


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.returnn", description=__doc__)
    parser.add_argument("--python", required=True, help="of an environment with RETURNN and TensorFlow")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each turn")
    parser.add_argument("--network", action="append", choices=list(NETWORKS), default=[])
    parser.add_argument("--size", action="append", choices=list(SIZES), default=[])
    parser.add_argument("--json", type=Path, help="rows that were measured before, in parts; new ones are put into it")
    given = parser.parse_args()
    before = json.loads(given.json.read_text()) if given.json is not None and given.json.exists() else {}
    rows = {(r["network"], r["size"]): r for r in before.get("rows", [])}
    limit = max(peak(), before.get("peak", 0.0))
    for name, size in [(n, s) for s in given.size or SIZES for n in given.network or NETWORKS]:
        rows[name, size] = compare(name, size, given.python, given.rounds, given.seconds)
        found = [rows[n, s] for s in SIZES for n in NETWORKS if (n, s) in rows]
        if given.json:
            given.json.write_text(json.dumps({"peak": limit, "rows": found}, indent=1))
    print(table(found, limit))


if __name__ == "__main__":
    main()
