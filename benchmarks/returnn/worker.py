"""What both workers do with the lines they are told: prepare a network, train for some seconds."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable

from benchmarks.returnn.networks import SIZES, Size

Steps = Callable[[], float]


@dataclasses.dataclass(frozen=True)
class Job:
    """A network, ready to be trained.

    Attributes:
      step: trains a step, and gives the loss.
      flops: of a step, where the compiler says it.
    """

    step: Steps
    flops: float | None = None


def serve(prepare: Callable[[str, Size], Job]) -> None:
    """Answers lines until the input ends.

    {"prepare": name, "size": name} is answered with the first losses, {"run": seconds} with steps a second.
    """
    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print does not disturb the answers
    job: Job | None = None
    for line in sys.stdin:
        told = json.loads(line)
        if "prepare" in told:
            job = prepare(told["prepare"], SIZES[told["size"]])
            answer: dict[str, object] = {"losses": [job.step() for _ in range(5)], "flops": job.flops}
        else:
            assert job is not None
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < told["run"]:
                job.step()
                count += 1
            answer = {"rate": count / (time.perf_counter() - start)}
        print(json.dumps(answer), file=out, flush=True)
