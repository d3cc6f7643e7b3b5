"""What Tenure promises, and whether this run keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.depth import label
from benchmarks.models import REFERENCE
from benchmarks.report import NOTHING, Table, base_depth
from benchmarks.timing import CPU, Samples

SUBJECT = "tenure"


@dataclass(frozen=True)
class Bar:
    """``measure`` of Tenure is at most ``limit`` times that of the hand-written model."""

    title: str
    measure: str
    limit: float
    #: The time is that of Python in one thread: the processor's clock says it best.
    python: bool = False
    timed: bool = True


BARS = (
    Bar("plan and initialise", "init", 1.3, python=True),
    Bar("plan and initialise, three times as wide", "init, wide", 1.3, python=True),
    Bar("plan and initialise, the first time", "init, cold", 1.3, python=True),
    Bar("trace", "trace", 1.1, python=True),
    Bar("trace, the first time", "trace, cold", 1.1, python=True),
    Bar("flops of a compiled step", "flops", 1.02, timed=False),
    Bar("temporary memory of a compiled step", "temporary memory", 1.02, timed=False),
    Bar("time of a compiled step", "step", 1.02),
)
GROWTH = ("trace", "compile")
GROWTH_LIMIT = 1.10
HEADER = ["", "bar", "medians", "best", "best, processor time", "met"]


def bars_table(samples: Samples, depths: Sequence[int]) -> Table:
    """Ratios to the hand-written model, then of the deepest stack to one of 12 layers."""
    rows = [bar_row(bar, SUBJECT, REFERENCE, samples) for bar in BARS]
    for what in GROWTH if depths else ():
        deep, base = (label(SUBJECT, d) for d in (depths[-1], base_depth(depths)))
        title = f"{what} of {depths[-1]} stacked layers over {base_depth(depths)}"
        rows.append(bar_row(Bar(title, f"stack: {what}", GROWTH_LIMIT, python=True), deep, base, samples))
    return Table("The bars", HEADER, [row for row in rows if row])


def bar_row(bar: Bar, who: str, reference: str, samples: Samples) -> list[str] | None:
    """Met or not is judged by the last of the ratios that the row shows."""
    medians = samples.ratio(bar.measure, who, reference)
    if medians is None:
        return None
    best = samples.best_ratio(bar.measure, who, reference) if bar.timed else None
    cpu = samples.best_ratio(bar.measure + CPU, who, reference) if bar.python else None
    judged = [r for r in (medians, best, cpu) if r is not None][-1]
    shown = [NOTHING if r is None else f"{r:.3f}×" for r in (medians, best, cpu)]
    return [bar.title, f"≤ {bar.limit:.2f}×", *shown, "yes" if judged <= bar.limit else "**no**"]
