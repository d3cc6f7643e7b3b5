"""What all workers do with the lines they are told: prepare a network, train or search for some seconds."""

from __future__ import annotations

import dataclasses
import json
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

    {"prepare": name, "kind": size or task} is answered with the first results, {"run": seconds} with what steps took.
    """
    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print does not disturb the answers
    job: Job | None = None
    for line in sys.stdin:
        told = json.loads(line)
        if "prepare" in told:
            job = prepare(told["prepare"], problem(told["prepare"], told["kind"]))
            answer: dict[str, Any] = {"results": [job.step() for _ in range(3)], "flops": job.flops}
        else:
            assert job is not None
            answer = _timed(job.step, told["run"])
        print(json.dumps(answer), file=out, flush=True)


def _timed(step: Callable[[], Any], seconds: float) -> dict[str, float]:
    """Steps a second: all in all, by the quickest one, and by the least time of this process's threads on processors."""
    wall: list[float] = []
    busy: list[float] = []
    while sum(wall) < seconds:
        clocks = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - clocks[0])
        busy.append(time.process_time() - clocks[1])
    return {"rate": len(wall) / sum(wall), "best": 1 / min(wall), "processor": 1 / min(busy)}
