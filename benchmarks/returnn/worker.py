"""What all workers do with the lines they are told: prepare a network, train or search for some seconds."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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

    {"prepare": name, "kind": size or task} is answered with the first results, {"run": seconds} with what steps took, and with
    "at_once": n, with what they took by n threads.
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
            answer = _timed(job.step, told["run"], told.get("at_once", 1))
        print(json.dumps(answer), file=out, flush=True)


def _timed(step: Callable[[], Any], seconds: float, at_once: int) -> dict[str, float]:
    """Steps a second: all in all, by the quickest one, and by the least time of this process's threads on processors.

    Where several are done at once, "one" is two by each thread.
    """
    wall: list[float] = []
    busy: list[float] = []
    count = 1 if at_once == 1 else 2 * at_once
    with ThreadPoolExecutor(at_once) as pool:
        while sum(wall) * count < seconds:
            clocks = time.perf_counter(), time.process_time()
            if count == 1:
                step()
            else:
                list(pool.map(lambda _: step(), range(count)))
            wall.append((time.perf_counter() - clocks[0]) / count)
            busy.append((time.process_time() - clocks[1]) / count)
    return {"rate": len(wall) / sum(wall), "best": 1 / min(wall), "processor": 1 / min(busy)}
