"""What Tenure promises, and whether this run keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.models import REFERENCE
from benchmarks.report import Table, growth_of
from benchmarks.timing import CPU, Samples

SUBJECT = "tenure"


@dataclass(frozen=True)
class Bar:
    """``measure`` of Tenure is at most ``limit`` times that of the hand-written model."""

    title: str
    measure: str
    limit: float
    #: Also show the ratio of processor times (of one thread: Python's part).
    cpu: bool = False


BARS = (
    Bar("plan and initialise", "init", 1.3, cpu=True),
    Bar("plan and initialise, the first time", "init, cold", 1.3, cpu=True),
    Bar("trace", "trace", 1.1, cpu=True),
    Bar("trace, the first time", "trace, cold", 1.1, cpu=True),
    Bar("flops of a compiled step", "flops", 1.02),
    Bar("temporary memory of a compiled step", "temporary memory", 1.02),
    Bar("time of a compiled step", "step", 1.02),
)
GROWTH = ("trace", "compile")
GROWTH_LIMIT = 0.10


def bars_table(samples: Samples, depths: Sequence[int]) -> Table:
    rows = [row for bar in BARS if (row := bar_row(bar, samples))]
    rows += [row for what in GROWTH if (row := growth_row(what, samples, depths))]
    return Table("The bars", ["", "bar", "measured", "processor time", "met"], rows)


def bar_row(bar: Bar, samples: Samples) -> list[str] | None:
    ratio = samples.ratio(bar.measure, SUBJECT, REFERENCE)
    if ratio is None:
        return None
    cpu = samples.ratio(bar.measure + CPU, SUBJECT, REFERENCE) if bar.cpu else None
    shown = "" if cpu is None else f"{cpu:.2f}×"
    return [bar.title, f"≤ {bar.limit:.2f}×", f"{ratio:.3f}×", shown, verdict(ratio, bar.limit)]


def growth_row(what: str, samples: Samples, depths: Sequence[int]) -> list[str] | None:
    growth = growth_of(samples, f"stack: {what}", SUBJECT, depths)
    if growth is None:
        return None
    cpu = growth_of(samples, f"stack: {what}{CPU}", SUBJECT, depths)
    title = f"{what}, layer stack, deepest over 12 layers"
    shown = "" if cpu is None else f"{100 * cpu:+.1f} %"
    return [title, f"< {100 * GROWTH_LIMIT:+.0f} %", f"{100 * growth:+.1f} %", shown, verdict(growth, GROWTH_LIMIT)]


def verdict(value: float, limit: float) -> str:
    """Half a per cent of rounding is not a miss."""
    return "yes" if value <= limit + 0.005 else "**no**"
