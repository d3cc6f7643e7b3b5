"""The picture of a network as a page: a card for each layer, frames around what is inside of one, lines beside the cards.

Lines run in the margins only, so none crosses a card: on the left where outputs go, each in a lane of its own; on the right what goes
round in a loop, and from owners to those who borrow from them. What joins layers of one frame stays within it. A script places them, so that they follow what is folded and the width
of the window; without it the cards still name all of this.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

from tenure.network.boxes import Box, borrowings
from tenure.network.folding import Item, items

_COLOURS = 8
_PREV = "prev:"
_FIXED = "\u00a0"  # a space at which no line ends


def page(picture: Any, title: str) -> str:
    """The page, as one string that needs nothing else."""
    drawing = _Drawing(picture.boxes, list(borrowings(picture)))
    script = _file("picture.js")
    style = resources.files("tenure.core.ledger").joinpath("page.css").read_text("utf-8") + _file("picture.css")
    return Template(_file("picture.html")).substitute(
        title=escape(title),
        style=style,
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        summary=f"{len(drawing.shown)} layers, {picture.ledger.count():,} parameters",
        lines=escape(json.dumps(list(drawing.lines())), quote=True),
        cards="".join(drawing.item(i) for i in drawing.items),
    )


def _file(name: str) -> str:
    return resources.files("tenure.network").joinpath(name).read_text("utf-8")


class _Drawing:
    """Cards and lines of a picture.

    Attributes:
      shown: the boxes that have a card: all but those that stand for a layer's output one step ago.
      items: them, in frames and folded.
    """

    def __init__(self, boxes: Sequence[Box], borrowed: list[tuple[str, str, str]]):
        self.borrowed = borrowed
        self.shown = [b for b in boxes if not b.key.startswith(_PREV)]
        self.items = items(self.shown)
        self.places: dict[str, list[int]] = {}
        for i, box in enumerate(self.shown):
            self.places.setdefault(box.key, []).append(i)
        owners = dict.fromkeys(owner for owner, _, _ in borrowed)
        self.colour = {owner: i % _COLOURS for i, owner in enumerate(owners)}

    def _find(self, key: str, asker: int) -> int | None:
        """The box that a layer means by a path: of several in different loops the nearest one around it."""
        frames = self.shown[asker].frames
        fits = [i for i in self.places.get(key, ()) if i != asker]
        fits = [i for i in fits if self.shown[i].frames == frames[: len(self.shown[i].frames)]] or fits
        return max(fits, key=lambda i: len(self.shown[i].frames), default=None)

    def lines(self) -> Iterator[list[Any]]:
        """[from, to, kind, colour, label] of all lines."""
        for place, box in enumerate(self.shown):
            for source in box.sources:
                found = self._find(source.removeprefix(_PREV), place)
                if found is None and source == f"{_PREV}{box.key}":
                    found = place
                if found is None or box.key in self.shown[found].frames:
                    continue  # what is inside of a frame is what the frame gives
                kind = "round" if source.startswith(_PREV) else "out"
                yield [found, place, kind, 0, self.shown[found].dims]
        for owner, user, what in self.borrowed:
            yield [self.places[owner][0], self.places[user][0], "lent", self.colour[owner], what]

    def item(self, item: Item) -> str:
        """A card, a frame, or cards that are alike."""
        if item.alike:
            return self._fold(item)
        card = self._card(item.place)
        if not item.inside:
            return card
        kind = "loop" if self.shown[item.place].name in ("rec", "rec_loop") else "frame"
        inside = "".join(self.item(i) for i in item.inside)
        return f'<section class="frame {kind}" data-frame="{item.place}">{card}<div class="in">{inside}</div></section>'

    def _fold(self, item: Item) -> str:
        first, *rest = item.alike
        count = len(self._all(first))
        names = [self.shown[self._all(part)[0]].key for part in (first, rest[0], rest[-1])]
        layers = "layer" if count == 1 else f"blocks of {count} layers"
        of = f"{len(item.alike)} × alike" if count == 1 else f"{len(item.alike)} {layers}, alike"
        more = f"{len(rest)} more: {names[1]} … {names[2]}" if len(rest) > 1 else f"1 more: {names[1]}"
        return (
            f'<section class="fold"><p class="times">{escape(of)}</p>{"".join(self.item(i) for i in first)}'
            f"<details><summary>{escape(more)}</summary>"
            f"{''.join(self.item(i) for part in rest for i in part)}</details></section>"
        )

    def _all(self, part: Sequence[Item]) -> list[int]:
        """The places of all boxes in these items."""
        found: list[int] = []
        for item in part:
            found += [] if item.place < 0 else [item.place]
            found += self._all(item.inside)
            for repeated in item.alike:
                found += self._all(repeated)
        return found

    def _card(self, place: int) -> str:
        box = self.shown[place]
        kinds = ["card", *(["loss"] if box.loss else []), *(["input"] if not box.sources else [])]
        kinds += ["owns"] if box.owned else []
        kinds += ["shares"] if box.borrowed or box.key in self.colour else []
        words = " · ".join(filter(None, (box.name, f"loss {box.loss}" if box.loss else "")))
        return (
            f'<article class="{" ".join(kinds)}" data-place="{place}" id="l{place}"><div class="what">'
            f"<b>{_breakable(box.key)}</b> <i>{_breakable(words.replace('loss ', f'loss{_FIXED}'))}</i></div>"
            f'<div class="dims">{escape(_together(box.dims))}</div><div class="from">{self._from(place)}</div>'
            f'<div class="params">{"".join(self._parameters(box))}</div></article>'
        )

    def _from(self, place: int) -> str:
        parts = []
        for source in self.shown[place].sources:
            found = self._find(source.removeprefix(_PREV), place)
            sign = "↻ " if source.startswith(_PREV) else ""
            if found is not None and self.shown[place].key not in self.shown[found].frames:
                parts.append(f'<a href="#l{found}">{sign}{_breakable(source)}</a>')
        return f"← {', '.join(parts)}" if parts else ""

    def _parameters(self, box: Box) -> Iterator[str]:
        count = sum(row.count for row in box.owned)
        if count:
            mark = f" lent g{self.colour[box.key]}" if box.key in self.colour else ""
            own = ", ".join(f"{row.path.rpartition('/')[2]} {_size(row.shape)}" for row in box.owned)
            yield f'<span class="own{mark}"><b>{count:,}</b> {escape(own)}</span>'
        for owner, user, what in self.borrowed:
            if user == box.key:
                yield f'<span class="lent g{self.colour[owner]}">{_breakable(what)}</span>'


def _size(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "1"


def _together(dims: str) -> str:
    """The dims with each one's name and size, and the dtype and what it counts, on one line."""
    return ", ".join(part.replace(" ", _FIXED) for part in dims.partition("]")[0].split(", ")) + "".join(
        dims.partition("]")[1:]
    )


def _breakable(text: str) -> str:
    """Text that may go on in the next line after a separator."""
    return escape(text).replace("/", "/<wbr>").replace("_", "_<wbr>")
