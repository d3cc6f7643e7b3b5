"""What all workers do with the lines they are told: prepare a network, train or search for some seconds."""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.returnn import loop_networks, networks
from benchmarks.returnn.networks import Problem


@dataclasses.dataclass(frozen=True)
class Job:
    """A network, ready to be trained or to search with.

    Attributes:
      step: trains a step, and gives the loss; or searches, and gives the labels found.
      flops: of a step, where the compiler says it.
    """

    step: Callable[[], Any]
    flops: float | None = None


def problem(name: str, kind: str) -> Problem:
    """A network by its name and size, or by its name and what is done with it."""
    return (loop_networks if name in loop_networks.NETWORKS else networks).problem(name, kind)


def serve(prepare: Callable[[str, Problem], Job]) -> None:
    """Answers lines until the input ends.

    {"prepare": name, "kind": size or task} is answered with the first results, {"run": seconds} with steps a second: the
    mean, and those of the quickest step and of the middle one.
    """
    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print does not disturb the answers
    job: Job | None = None
    for line in sys.stdin:
        told = json.loads(line)
        if "prepare" in told:
            job = prepare(told["prepare"], problem(told["prepare"], told["kind"]))
            answer: dict[str, object] = {"results": [job.step() for _ in range(3)], "flops": job.flops}
        else:
            assert job is not None
            took, start = [], time.perf_counter()
            while not took or time.perf_counter() - start < told["run"]:
                before = time.perf_counter()
                job.step()
                took.append(time.perf_counter() - before)
            answer = {"rate": len(took) / sum(took), "best": 1 / min(took), "middle": 1 / statistics.median(took)}
        print(json.dumps(answer), file=out, flush=True)
