"""Curves over epochs as SVG: text that a page can hold, with colours that the page's style says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 440, 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 26
_MANY = 60  # points of a curve that get a mark each
_WIDE = 100.0  # largest ÷ smallest, from which on an axis is logarithmic


def chart(lines: Mapping[str, Mapping[int, float]], best: Mapping[str, int] | None = None) -> str:
    """A chart of lines over epochs.

    Args:
      lines: by name, y by epoch; all finite.
      best: an epoch to mark, by name.

    Returns:
      An `<svg>` element whose lines have the classes `line s0`, `line s1`, …; empty if there is nothing to draw.
    """
    points = [(x, y) for values in lines.values() for x, y in values.items()]
    if not points:
        return ""
    area = _Area.around(points)
    parts = [*_grid(area), *_lines(lines, best or {}, area)]
    label = escape(", ".join(lines) + " by epoch")
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


class _Area:
    """Where values are on the picture.

    Attributes:
      x: the first and the last epoch.
      y: the ends of the axis.
      ticks: values on the y axis.
      logarithmic: whether that is so.
    """

    def __init__(self, x: tuple[int, int], y: tuple[float, float], ticks: Sequence[float], logarithmic: bool):
        self.x, self.y, self.ticks, self.logarithmic = x, y, ticks, logarithmic

    @staticmethod
    def around(points: Sequence[tuple[int, float]]) -> _Area:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        low, high = min(ys), max(ys)
        logarithmic = low > 0 and high / low >= _WIDE
        if logarithmic:
            first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
            every = max(1, round((last - first) / 5))
            return _Area((min(xs), max(xs)), (low, high), [10.0**e for e in range(first, last + 1, every)], logarithmic)
        ticks = steps(low, high)
        return _Area((min(xs), max(xs)), (min(low, ticks[0]), max(high, ticks[-1])), ticks, logarithmic)

    def across(self, x: int) -> float:
        first, last = self.x
        share = (x - first) / (last - first) if last > first else 0.5
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def down(self, y: float) -> float:
        low, high = self.y
        if self.logarithmic:
            y, low, high = math.log(y), math.log(low), math.log(high)
        share = (high - y) / (high - low) if high > low else 0.5
        return round(_TOP + share * (HEIGHT - _TOP - _BOTTOM), 1)


def steps(low: float, high: float, count: int = 4) -> list[float]:
    """About so many round values from below `low` to above `high`.

    >>> steps(0.13, 0.91)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> steps(3, 3)
    [2.5, 3.0, 3.5]
    """
    if high <= low:
        half = abs(low) / 6 or 0.5
        power = 10.0 ** math.floor(math.log10(half))
        return [round(low + k * round(half / power) * power, 12) for k in (-1, 0, 1)]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m for m in (1, 2, 5, 10) if m * power >= raw * 0.999) * power
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def number(value: float) -> str:
    """A value for people.

    >>> number(0.00025), number(1234.5), number(0.5), number(2.0)
    ('0.00025', '1234', '0.5', '2')
    """
    if value and (abs(value) < 1e-4 or abs(value) >= 1e5):
        return f"{value:.3g}"
    return f"{value:.4g}"


def _grid(area: _Area) -> list[str]:
    parts = []
    for y in area.ticks:
        if not area.y[0] <= y <= area.y[1]:
            continue
        at = area.down(y)
        parts.append(f'<line class="rule" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{at + 4}" text-anchor="end">{number(y)}</text>')
    first, last = area.x
    if last > first:
        marks = sorted({x for x in map(round, steps(first, last, 6)) if first < x < last} | {first, last})
        gap = (last - first) / 12
        marks = [x for x in marks if x in (first, last) or (x - first > gap and last - x > gap)]
    else:
        marks = [first]
    for x in marks:
        parts.append(f'<text class="tick" x="{area.across(x)}" y="{HEIGHT - 7}" text-anchor="middle">{x}</text>')
    return parts


def _lines(lines: Mapping[str, Mapping[int, float]], best: Mapping[str, int], area: _Area) -> list[str]:
    parts = []
    for place, (name, values) in enumerate(lines.items()):
        points = sorted(values.items())
        path = "".join(f"{'L' if i else 'M'}{area.across(x)} {area.down(y)}" for i, (x, y) in enumerate(points))
        parts.append(f'<g class="line s{place % 8}"><path d="{path}"/>')
        for x, y in points:
            chosen = best.get(name) == x
            if chosen or len(points) <= _MANY:
                title = escape(f"{name}, epoch {x}: {number(y)}{', the best' if chosen else ''}")
                radius, kind = (5, "best") if chosen else (2.6, "point")
                at = f'cx="{area.across(x)}" cy="{area.down(y)}"'
                parts.append(f'<circle class="{kind}" {at} r="{radius}"><title>{title}</title></circle>')
        parts.append("</g>")
    return parts
