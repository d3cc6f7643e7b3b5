"""Batches in flight: while one is computed, the next ones are too. Results are taken in the order of the batches.

On CPUs XLA computes many operations on one processor, so that one batch at a time leaves others idle. Each batch in flight takes
working memory of its own, which accelerators may not have.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from jax.sharding import Mesh

from tenure.core.errors import brief
from tenure.training.data.loading import ahead
from tenure.training.engine.programs import Ready
from tenure.training.errors import ConfigError

A = TypeVar("A")


def batches_in_flight(config: Mapping[str, Any], mesh: Mesh) -> int:
    """How many batches are computed at the same time: the key `batches_in_flight`; by default two on a CPU of several processors, else one.

    Where a batch is spread over devices, it is one: programs that wait for each other on several devices must start in the same order on each.

    Args:
      config: key → value.
      mesh: the devices that compute.

    Raises:
      ConfigError: the number is none.

    >>> from tenure.training.engine.mesh import mesh_of
    >>> batches_in_flight({"batches_in_flight": 3}, mesh_of({}))
    3
    """
    given = config.get("batches_in_flight")
    if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 1):
        raise ConfigError(f"batches_in_flight is {brief(given)}", ways=["1, for one after the other", "2"])
    if mesh.size > 1:
        return 1
    return given or (2 if mesh.devices.flat[0].platform == "cpu" and _processors() > 1 else 1)


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def computed(batches: Iterable[A], step: Callable[[int, A], Ready], count: int) -> Iterator[tuple[A, Any]]:
    """The batches with their results, in order, of which `count` are computed at the same time.

    A batch of a shape that has not been computed before is compiled and computed here, by the caller's thread, when its turn comes: each
    shape is compiled once, and what is said of it is said in its place. So is every batch whose program calls Python, which would
    otherwise tell of two batches at once. What a batch or its loading raises is raised in its place, and no further batch is begun.

    Args:
      batches: as they are loaded.
      step: gives, for a batch's number and itself, what is to be computed.
      count: at most so many at the same time; 1 needs no thread.
    """
    if count == 1:
        for place, batch in enumerate(batches):
            yield batch, step(place, batch)()
        return
    pool = ThreadPoolExecutor(count, "batches-in-flight")

    def begun(numbered: tuple[int, A]) -> tuple[A, Callable[[], Any]]:
        ready = step(*numbered)
        if not ready.beside_others:
            return numbered[1], ready
        future: Future[Any] = pool.submit(ready.whole)
        return numbered[1], future.result

    with pool, contextlib.closing(ahead(enumerate(batches), begun, count - 1)) as waiting:
        try:
            for batch, result in waiting:
                yield batch, result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
