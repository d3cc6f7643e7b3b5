"""Curves over epochs as a PNG picture, drawn by matplotlib, which is an optional dependency."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from tenure.training.watching.history import Curve

_MOST = 12  # topics that a picture shows


def picture(found: Sequence[Curve], rates: Mapping[int, float], title: str = "") -> bytes | None:
    """The curves, a plot for each topic and one for the learning rate.

    Args:
      found: the curves.
      rates: learning rates by epoch.
      title: over all of it.

    Returns:
      The bytes of a PNG file; None if matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    topics: dict[str, list[Curve]] = {}
    for curve in found:
        if curve.values:
            topics.setdefault(curve.topic, []).append(curve)
    shown = list(topics.items())[:_MOST]
    count = len(shown) + bool(rates)
    columns = min(3, max(1, count))
    rows = max(1, -(-count // columns))
    figure = Figure(figsize=(4.6 * columns, 3.1 * rows + (0.4 if title else 0)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(_plain(title))
    for place, (topic, lines) in enumerate(shown, 1):
        axes = _axes(figure, rows, columns, place, topic)
        for line in lines:
            _draw(axes, line.values, line.dataset or line.key)
            best = line.best
            if best is not None:
                axes.plot(*[[v] for v in best], "o", markersize=8, fillstyle="none", color=axes.lines[-1].get_color())
        axes.legend(frameon=False, fontsize="small")
    if rates:
        _draw(_axes(figure, rows, columns, count, "learning rate"), rates, "learning rate")
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in letters that the font does not have
        figure.savefig(file, format="png")
    return file.getvalue()


def _axes(figure: Any, rows: int, columns: int, place: int, title: str) -> Any:
    from matplotlib.ticker import MaxNLocator

    axes = figure.add_subplot(rows, columns, place)
    axes.set_title(_plain(title), fontsize="medium", loc="left")
    axes.set_xlabel("epoch", fontsize="small")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _draw(axes: Any, values: Mapping[int, float], name: str) -> None:
    few = len(values) <= 60
    axes.plot(list(values), list(values.values()), marker="." if few else None, label=_plain(name))
    low, high = min(values.values()), max(values.values())
    if low > 0 and high / low >= 100:
        axes.set_yscale("log")


def _plain(text: str) -> str:
    """A text as it is: matplotlib reads mathematics between dollars, and hides labels that begin with an underscore."""
    return text.replace("$", r"\$") if not text.startswith("_") else f" {text}".replace("$", r"\$")
