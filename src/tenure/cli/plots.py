"""Curves in the terminal, drawn with characters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

MARKS = "●○▲△■□◆◇"
_HEIGHT = 12
_WIDE = 100.0  # largest ÷ smallest, from which on the axis is logarithmic


def plot(curves: Mapping[str, Mapping[int, float]], width: int = 80, height: int = _HEIGHT) -> list[str]:
    """Lines that show curves over whole numbers, such as scores over epochs.

    Args:
      curves: of each name, y by x; those that are not finite are left out.
      width: characters of a line, the labels included.
      height: lines of the area between the axes.

    Where the largest value is a hundred times the smallest one or more, the axis is logarithmic, and the line of names says so.

    >>> print("\\n".join(plot({"dev": {1: 4.0, 2: 2.0, 3: 1.0}}, width=14, height=4)))
    4 ┤●
      │
      │     ●
    1 ┤          ●
      └───────────
       1         3
      ● dev
    """
    points = {name: [(x, y) for x, y in curve.items() if math.isfinite(y)] for name, curve in curves.items()}
    every = [point for of in points.values() for point in of]
    if not every:
        return []
    left, right = min(x for x, _ in every), max(x for x, _ in every)
    low, high = min(y for _, y in every), max(y for _, y in every)
    logarithmic = low > 0 and high / low >= _WIDE
    labels = [f"{high:.4g}", *[""] * (height - 2), f"{low:.4g}"]
    margin = max(map(len, labels))
    columns = max(min(width - margin - 2, 8 * (right - left) + 1), len(f"{left}{right}") + 1)
    area = [[" "] * columns for _ in range(height)]
    for (_, of), mark in zip(points.items(), _marks(len(points)), strict=True):
        for x, y in of:
            down = (math.log(high / y), math.log(high / low)) if logarithmic else (high - y, high - low)
            area[_place(*down, height)][_place(x - left, right - left, columns)] = mark
    rows = [
        f"{label.rjust(margin)} {'┤' if label else '│'}{''.join(row)}".rstrip()
        for label, row in zip(labels, area, strict=True)
    ]
    under = f"{left}{str(right).rjust(columns - len(str(left)))}" if right > left else str(left)
    indent = " " * (margin + 1)
    names = "  ".join(f"{mark} {name}" for name, mark in zip(points, _marks(len(points)), strict=True))
    names += "  (logarithmic)" if logarithmic else ""
    return [*rows, f"{indent}└{'─' * columns}", f"{indent} {under}", f"{indent}{names}"]


def _marks(count: int) -> Sequence[str]:
    return [MARKS[i % len(MARKS)] for i in range(count)]


def _place(distance: float, whole: float, count: int) -> int:
    """Which of `count` cells is so far along."""
    return round(distance / whole * (count - 1)) if whole else 0
