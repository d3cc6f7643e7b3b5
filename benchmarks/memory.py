"""The peak of a process that does nothing but train one of the models: ``python -m benchmarks.memory haiku``."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.models.common import Config
from benchmarks.timing import Samples

STEPS = 3


def peak_bytes() -> int:
    """Peak resident memory of this program (``ru_maxrss`` may report that of the process that started it)."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    scale = 1 if sys.platform == "darwin" else 1024
    return scale * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def train(name: str, config: Config) -> dict[str, int]:
    """Peaks after importing, after initialising, after a few steps."""
    import jax

    from benchmarks.models import make
    from benchmarks.models.common import random_tokens
    from benchmarks.stages import step_function

    tokens = random_tokens(jax.random.key(1), config)
    peer = make(name, config)
    peaks = {"peak, imported": peak_bytes()}
    params = jax.block_until_ready(peer.init(jax.random.key(0)))
    peaks["peak, initialised"] = peak_bytes()
    step = jax.jit(step_function(peer), donate_argnums=0)
    for _ in range(STEPS):
        loss, params = step(params, tokens)
    jax.block_until_ready((loss, params))
    return peaks | {"peak, trained": peak_bytes()}


def measure_memory(names: Sequence[str], config: Config, samples: Samples) -> None:
    """One process per model."""
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    for name in names:
        command = [sys.executable, "-m", "benchmarks.memory", name, json.dumps(asdict(config))]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path})
        for measure, value in json.loads(done.stdout.splitlines()[-1]).items():
            samples.add(measure, name, value)


if __name__ == "__main__":
    print(json.dumps(train(sys.argv[1], Config(**json.loads(sys.argv[2])))))
