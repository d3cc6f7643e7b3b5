"""Checkpoints next to safetensors: saving with the same fsync, restoring with and without checksums, reading one tensor.

    python -m benchmarks.checkpoints --gib 1 --rounds 7 --out docs/benchmarks-checkpoints.md

All take turns in one process, on one folder's disk; medians, and the median of the ratios within a round. Restored arrays are
JAX arrays: safetensors' own are those of `safetensors.flax.load_file`, and of `safetensors.numpy.load_file` put on the device.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.flax
import safetensors.numpy

import tenure as tn
from benchmarks.timing import Samples, turns

LAYERS = 64
PEER, PLAIN = "safetensors", "safetensors.flax"


def model(gib: float) -> tuple[Any, dict[str, dict[str, jax.Array]]]:
    """A plan and params of that many GiB, in 64 matrices."""
    side = int((gib * 2**30 / LAYERS / 4) ** 0.5)

    def function(x: jax.Array) -> jax.Array:
        for i in range(LAYERS):
            x = tn.nn.Linear(side, with_bias=False, name=f"layer_{i}")(x)
        return x

    plan = tn.transform(function).plan(jax.ShapeDtypeStruct((1, side), jnp.float32))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda s: jnp.asarray(rng.standard_normal(s.shape, np.float32)), plan.params)
    return plan, params


def flushed(path: Path) -> None:
    """The same fsync, of file and folder."""
    for target in (path, path.parent):
        handle = os.open(target, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def savers(plan: Any, params: Any, folder: Path) -> dict[str, Callable[[], Any]]:
    """Who → saves to a path of its own, which is removed before each turn."""

    def peer() -> None:
        flat = {f"{m}/{n}": np.asarray(v) for m, e in params.items() for n, v in e.items()}
        safetensors.numpy.save_file(flat, folder / "peer.safetensors")
        flushed(folder / "peer.safetensors")

    return {PEER: peer, "tenure": lambda: tn.save(folder / "tenure", plan, params)}


def loaders(plan: Any, folder: Path) -> dict[str, Callable[[], Any]]:
    """Who → the params as JAX arrays."""
    file, ours = folder / "peer.safetensors", folder / "tenure"
    return {
        PEER: lambda: {k: jnp.asarray(v) for k, v in safetensors.numpy.load_file(file).items()},
        PLAIN: lambda: safetensors.flax.load_file(file),
        "tenure": lambda: tn.restore(ours, plan).params,
        "tenure, unverified": lambda: tn.restore(ours, plan, verify=False).params,
    }


def measure(gib: float, rounds: int, folder: Path) -> Samples:
    """All rounds; the first of each is thrown away."""
    plan, params = model(gib)
    samples = Samples()
    saving = savers(plan, params, folder)
    for i, who in turns(list(saving), rounds + 1):
        (folder / "peer.safetensors").unlink(missing_ok=True) if who == PEER else shutil.rmtree(folder / who, True)
        os.sync()  # nobody pays for what others wrote
        (Samples() if i == 0 else samples).timed("save", who, saving[who])
    loading = loaders(plan, folder)
    for i, who in turns(list(loading), rounds + 1):
        (Samples() if i == 0 else samples).timed("restore", who, loading[who])
    size = sum(f.stat().st_size for f in (folder / "tenure").iterdir())
    samples.add("bytes beyond the owners", "tenure", size - plan.ledger.bytes())
    samples.add("MiB for one of 64", "tenure", one_tensor(folder / "tenure"))
    return samples


ONE = """
import re, sys, jax, tenure as tn, tenure.checkpoints, safetensors, xxhash
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
jax.block_until_ready(jax.numpy.ones(3))
open("/proc/self/clear_refs", "w").write("5")
before = peak()
found = tn.restore(sys.argv[1], only="layer_9/w")
jax.block_until_ready(found.params)
print(peak() - before)
"""


def one_tensor(path: Path) -> float:
    """By how many MiB the peak of a process grows that reads one of the 64 matrices."""
    command = [sys.executable, "-c", ONE, str(path)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def table(samples: Samples, gib: float) -> str:
    """The page."""
    rows = ["| | seconds | to safetensors | bar |", "|:--|--:|--:|--:|"]
    bars = {("save", "tenure"): 1.15, ("restore", "tenure"): 1.3, ("restore", "tenure, unverified"): 1.15}
    for measure_name, whos in (("save", [PEER, "tenure"]), ("restore", [PEER, PLAIN, "tenure", "tenure, unverified"])):
        for who in whos:
            median, ratio = samples.median(measure_name, who), samples.ratio(measure_name, who, PEER)
            bar = bars.get((measure_name, who), "")
            rows.append(f"| {measure_name}, {who} | {median:.2f} | {ratio:.2f} | {bar} |")
    more = samples.median("bytes beyond the owners", "tenure")
    peak = samples.median("MiB for one of 64", "tenure")
    each = gib * 1024 / LAYERS
    return "\n".join(
        [
            "# Checkpoints: speed and size",
            "",
            f"`python -m benchmarks.checkpoints --gib {gib:g}`: {gib:g} GiB in {LAYERS} matrices, {os.cpu_count()} cores, medians of",
            "interleaved rounds, and the median of the ratios within a round. Saving ends with the same fsync; restoring ends with",
            "arrays on the device, from files that the system has in memory.",
            "",
            *rows,
            "",
            f"On disk, beyond the bytes of the owners: {more:,.0f} bytes (bar: 65,536). Reading one matrix of {each:.0f} MiB raises the",
            f"peak of a process by {peak:.0f} MiB.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", help="on the disk to measure; a temporary folder if none is given")
    parser.add_argument("--out", type=Path, help="writes the page there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        page = table(measure(options.gib, options.rounds, Path(folder)), options.gib)
    print(page)
    if options.out:
        options.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
