"""What a picture of a network shows as one thing: frames around layers, and layers that are alike, folded."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from tenure.network.boxes import Box

_LONGEST = 120  # layers that may come before they repeat


@dataclasses.dataclass(frozen=True)
class Item:
    """A layer; or with `inside`, the frame of one that has layers inside; or with `alike`, layers that repeat.

    Attributes:
      place: of the layer's box in the picture; -1 for layers that repeat.
      inside: what is in the frame.
      alike: the repetitions, each a list of items.
    """

    place: int = -1
    inside: tuple[Item, ...] = ()
    alike: tuple[tuple[Item, ...], ...] = ()


def items(boxes: Sequence[Box]) -> tuple[Item, ...]:
    """Boxes as frames within frames, with what is alike folded.

    >>> chain = [Box(f"ff{i}", "linear", "", ()) for i in range(9)]
    >>> (fold,) = items(chain)
    >>> len(fold.alike), fold.alike[0]
    (9, (Item(place=0, inside=(), alike=()),))
    """
    return _framed(boxes, range(len(boxes)), 0)


def _framed(boxes: Sequence[Box], places: Sequence[int], depth: int) -> tuple[Item, ...]:
    found: list[Item] = []
    waiting: dict[str, list[int]] = {}  # what is in frames whose own box comes after it
    for place in places:
        box = boxes[place]
        if len(box.frames) > depth:
            waiting.setdefault(box.frames[depth], []).append(place)
            continue
        inside = waiting.pop(box.key, [])
        found.append(Item(place, _framed(boxes, inside, depth + 1) if inside else ()))
    for rest in waiting.values():
        found += _framed(boxes, rest, depth + 1)
    return _folded(boxes, found)


def _folded(boxes: Sequence[Box], found: Sequence[Item]) -> tuple[Item, ...]:
    """Neighbours that repeat as one item: where there is a choice, what covers most."""
    kinds = [_kind(boxes, item) for item in found]
    result: list[Item] = []
    at = 0
    while at < len(found):
        period, times = _repetition(kinds, at)
        if times < 2 or period * times < 3:
            result.append(found[at])
            at += 1
            continue
        parts = [found[at + i * period : at + (i + 1) * period] for i in range(times)]
        inner = tuple(_folded(boxes, part) if period > 2 else tuple(part) for part in parts)
        result.append(Item(alike=inner))
        at += period * times
    return tuple(result)


def _repetition(kinds: Sequence[object], at: int) -> tuple[int, int]:
    """How long the sequence is that repeats most from there on, and how often it is there."""
    best = (1, 1)
    for period in range(1, min(_LONGEST, (len(kinds) - at) // 2) + 1):
        times = 1
        first = kinds[at : at + period]
        while kinds[at + times * period : at + (times + 1) * period] == first:
            times += 1
        if times > 1 and period * times > best[0] * best[1]:
            best = (period, times)
    return best


def _kind(boxes: Sequence[Box], item: Item) -> object:
    """What two layers that are alike have in common: their names without numbers, classes and parameters."""
    box = boxes[item.place]
    leaf = re.sub(r"\d+", "#", box.key.rpartition("/")[2])
    shapes = tuple((row.path.rpartition("/")[2], row.shape, row.kind) for row in (*box.owned, *box.borrowed))
    return leaf, box.name, box.loss, shapes, tuple(_kind(boxes, i) for i in item.inside if i.place >= 0)
