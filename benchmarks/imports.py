"""How long `import tenure` takes next to `import jax`, and how soon the command line answers.

    python -m benchmarks.imports --rounds 15

Each round starts one process of each kind, in turns, and counts the seconds from its start to its end. `import tenure` alone loads no
JAX; the row with `tn.transform` loads all that a model needs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from benchmarks.timing import Samples, turns

PYTHON = "python, nothing imported"
JAX = "jax"
STARTS: dict[str, list[str]] = {
    PYTHON: ["-c", ""],
    JAX: ["-c", "import jax, jax.numpy"],
    "tenure, no name used": ["-c", "import tenure"],
    "tenure, `tn.transform` and `nn.Linear` used": [
        "-c",
        "import tenure as tn; from tenure import nn; tn.transform, nn.Linear",
    ],
    "tenure.haiku": ["-c", "import tenure.haiku as hk; hk.transform, hk.Linear"],
    "tenure.network": ["-c", "import tenure as tn; tn.network"],
    "`tenure --help`": ["-m", "tenure", "--help"],
}


def measure(rounds: int) -> Samples:
    """Seconds of each kind of process, by the clock."""
    samples = Samples()
    for start in STARTS.values():  # byte code and the system's cache of files
        subprocess.run([sys.executable, *start], check=True, stdout=subprocess.DEVNULL)
    for _, name in turns(list(STARTS), rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, *STARTS[name]], check=True, stdout=subprocess.DEVNULL)
        samples.add("start", name, time.perf_counter() - began)
    return samples


def table(samples: Samples) -> str:
    """The table in Markdown: medians, and the medians of the ratios within a round."""
    lines = ["| process | seconds | to `import jax` |", "|:--|--:|--:|"]
    for name in STARTS:
        lines.append(f"| {name} | {samples.median('start', name):.2f} | {samples.ratio('start', name, JAX):.2f} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    print(table(measure(parser.parse_args(argv).rounds)))


if __name__ == "__main__":
    main()
