"""What both workers do with the lines they are told: prepare a network, train for some seconds."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

Steps = Callable[[], float]


def serve(prepare: Callable[[str], Steps]) -> None:
    """Answers lines until the input ends: {"prepare": name} with the first losses, {"run": seconds} with steps a second."""
    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print does not disturb the answers
    step: Steps | None = None
    for line in sys.stdin:
        told = json.loads(line)
        if "prepare" in told:
            step = prepare(told["prepare"])
            answer: dict[str, object] = {"losses": [step() for _ in range(5)]}
        else:
            assert step is not None
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < told["run"]:
                step()
                count += 1
            answer = {"rate": count / (time.perf_counter() - start)}
        print(json.dumps(answer), file=out, flush=True)
