"""The picture of a network as a page: boxes in layers, edges between them, parameters in the ledger's colours."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib import resources
from typing import Any

from tenure.network.boxes import Box, borrowings

_WIDTH, _HEIGHT, _ACROSS, _DOWN = 230, 62, 26, 54
_COLOURS = 8
_STYLE = """
.net { overflow: auto; border: 1px solid var(--rule); border-radius: 5px; background: var(--panel) }
.net svg { display: block; margin: 0 auto; font: 12px var(--mono) }
.net rect { fill: var(--paper); stroke: var(--rule); stroke-width: 1.2; rx: 5px }
.net .input rect { stroke-dasharray: 4 3 } .net .loss rect { stroke: var(--ink); stroke-width: 2 }
.net .inside rect { fill: var(--panel) }
.net text { fill: var(--ink) } .net .class, .net .edge { fill: var(--dim); font-size: 11px }
.net path { fill: none; stroke: var(--bar); stroke-width: 1.3 }
.net .lent { stroke: var(--c); stroke-width: 2; stroke-dasharray: 5 4 } .net .own { fill: var(--c); font-weight: 600 }
.net g:hover > rect { fill: var(--hot) }
"""


def page(picture: Any, title: str) -> str:
    """The page, as one string: no script, nothing to fetch."""
    style = resources.files("tenure.core.ledger").joinpath("page.css").read_text("utf-8") + _STYLE
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{style}</style><body><h1>{escape(title)}</h1>"
        f'<p class="quiet">{len(picture.boxes)} layers, {picture.ledger.count():,} parameters. Solid: outputs, with their '
        "dims. Dashed, in an owner's colour: its parameters, used by another layer.</p>"
        f'<div class="net">{_Drawing(picture).svg()}</div></body></html>'
    )


class _Drawing:
    """Boxes in rows by their distance from the inputs; in a row next to what they depend on."""

    def __init__(self, picture: Any):
        self.picture = picture
        self.boxes = {box.key: box for box in picture.boxes}
        self.rows = self._ranked()
        self.wide = max(len(row) for row in self.rows)
        self.place = {
            key: (self._x(i, len(row)), 20 + y * (_HEIGHT + _DOWN))
            for y, row in enumerate(self.rows)
            for i, key in enumerate(row)
        }
        owners = dict.fromkeys(owner for owner, _, _ in borrowings(picture))
        self.colour = {owner: i % _COLOURS for i, owner in enumerate(owners)}

    def _ranked(self) -> list[list[str]]:
        rank: dict[str, int] = {}
        for key, box in self.boxes.items():  # each comes after what it depends on, but for steps of a loop
            rank[key] = 1 + max((rank.get(s, -1) for s in box.sources if s in self.boxes), default=-1)
        rows: list[list[str]] = [[] for _ in range(max(rank.values()) + 1)]
        centre: dict[str, float] = {}
        for key in self.boxes:
            rows[rank[key]].append(key)
        for row in rows:
            row.sort(key=lambda k: _mean([centre[s] for s in self.boxes[k].sources if s in centre]))
            centre |= {key: (i + 0.5) / len(row) for i, key in enumerate(row)}
        return rows

    def _x(self, i: int, n: int) -> int:
        step = _WIDTH + _ACROSS
        return 20 + (self.wide - n) * step // 2 + i * step

    def svg(self) -> str:
        """The drawing."""
        width = 40 + self.wide * (_WIDTH + _ACROSS)
        height = 40 + len(self.rows) * (_HEIGHT + _DOWN)
        inside = [*self._edges(), *self._borrowings(), *map(self._box, self.boxes.values())]
        return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(inside)}</svg>'

    def _edges(self) -> Iterator[str]:
        for box in self.boxes.values():
            for source in box.sources:
                if source not in self.place:
                    continue
                (x0, y0), (x1, y1) = self.place[source], self.place[box.key]
                start, end = (x0 + _WIDTH // 2, y0 + _HEIGHT), (x1 + _WIDTH // 2, y1)
                yield f"<path d='{_curve(start, end)}'><title>{escape(self.boxes[source].dims)}</title></path>"
        for key, (x, y) in self.place.items():
            if any(key in b.sources for b in self.boxes.values()):
                dims = self.boxes[key].dims
                yield f'<text class="edge" x="{x + _WIDTH // 2 + 6}" y="{y + _HEIGHT + 16}">{escape(_short(dims, 34))}</text>'

    def _borrowings(self) -> Iterator[str]:
        for owner, user, what in borrowings(self.picture):
            (x0, y0), (x1, y1) = self.place[owner], self.place[user]
            side = _WIDTH if x1 >= x0 else 0
            curve = _curve((x0 + side, y0 + 20), (x1 + side, y1 + 20), sideways=40 if side else -40)
            yield f"<path class='lent g{self.colour[owner]}' d='{curve}'><title>{escape(what)}</title></path>"

    def _box(self, box: Box) -> str:
        x, y = self.place[box.key]
        kind = "input" if not box.sources else "loss" if box.loss else "inside" if box.depth else "layer"
        count = sum(row.count for row in box.owned)
        lender = next((o for o, user, _ in borrowings(self.picture) if user == box.key), None)
        colour = self.colour.get(box.key, self.colour.get(lender) if lender else None)
        mark = f" own g{colour}" if colour is not None else ""
        params = f"{count:,} parameters" if count else "borrows" if box.borrowed else ""
        words = " · ".join(filter(None, (box.name, box.loss, params)))
        about = "\n".join([box.key, box.dims, *(f"{r.path} {r.shape}" for r in (*box.owned, *box.borrowed))])
        return (
            f'<g class="{kind}"><title>{escape(about)}</title><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}"/>'
            f'<text class="name{mark}" x="{x + 10}" y="{y + 25}">{escape(_short(box.key, 28))}</text>'
            f'<text class="class" x="{x + 10}" y="{y + 45}">{escape(_short(words, 32))}</text></g>'
        )


def _curve(start: tuple[int, int], end: tuple[int, int], sideways: int = 0) -> str:
    (x0, y0), (x1, y1) = start, end
    if sideways:
        return f"M{x0},{y0} C{x0 + sideways},{y0} {x1 + sideways},{y1} {x1},{y1}"
    middle = (y0 + y1) // 2
    return f"M{x0},{y0} C{x0},{middle} {x1},{middle} {x1},{y1}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def _short(text: str, size: int) -> str:
    return text if len(text) <= size else f"…{text[1 - size :]}"
