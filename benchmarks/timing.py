"""Clocks, and the order in which models take their turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import jax

T = TypeVar("T")
#: Appended to a measure's name for the time on this process's clock, which other processes disturb less.
CPU = " (cpu)"


@dataclass
class Samples:
    """Raw numbers: measure -> who -> one value per round."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def add(self, measure: str, who: str, value: float) -> None:
        self.values[measure][who].append(value)

    def timed(self, measure: str, who: str, function: Callable[[], T]) -> T:
        """Call, wait for the arrays in the result, and record wall and processor seconds."""
        gc.collect()
        gc.disable()
        try:
            wall, cpu = time.perf_counter(), time.process_time()
            result = jax.block_until_ready(function())
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        finally:
            gc.enable()
        self.add(measure, who, wall)
        self.add(measure + CPU, who, cpu)
        return result

    def median(self, measure: str, who: str) -> float | None:
        values = self.values.get(measure, {}).get(who)
        return statistics.median(values) if values else None

    def ratio(self, measure: str, who: str, reference: str) -> float | None:
        """Median over the rounds of the ratio within a round: a slow minute hits both sides of it."""
        rows = self.values.get(measure, {})
        pairs = list(zip(rows.get(who, ()), rows.get(reference, ()), strict=False))
        return statistics.median(a / b for a, b in pairs) if pairs and all(b for _, b in pairs) else None

    def best_ratio(self, measure: str, who: str, reference: str) -> float | None:
        """Quickest over quickest: other processes only ever add time."""
        ours, theirs = (self.values.get(measure, {}).get(name) for name in (who, reference))
        return min(ours) / min(theirs) if ours and theirs and min(theirs) else None

    def to_json(self) -> dict[str, dict[str, list[float]]]:
        return {measure: dict(rows) for measure, rows in self.values.items()}


def turns(names: Sequence[T], rounds: int) -> Iterator[tuple[int, T]]:
    """Round-robin: everyone once per round, and everyone first, second, ... equally often."""
    for i in range(rounds):
        start = i % len(names)
        for name in (*names[start:], *names[:start]):
            yield i, name
