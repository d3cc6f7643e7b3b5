"""The ledger's rows as a tree of modules, in which siblings alike, such as the layers of a Transformer, are one item."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tenure.core.ledger.row import Row
from tenure.core.notation import paths

_ALIKE = 4  # so many siblings that differ in their number only become one item
_NUMBER = re.compile(r"_?\d+(?=/|$)")


@dataclass
class _Module:
    """A module of the trie of paths."""

    slots: list[int] = field(default_factory=list)
    parts: dict[str, _Module] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """A slot (`slot` ≥ 0), a module, or modules alike.

    Attributes:
      label: the name below the item around it; of modules alike, of the first and the last of them.
      rows: all rows of the ledger.
      path: from the root.
      around: what of the path comes before the module: empty, or it ends in "/".
      slot: the position of the slot's row.
      items: what is in a module, or the modules that are alike.
      alike: how many modules are alike; 0 for one module.
    """

    label: str
    rows: Sequence[Row] = field(repr=False, compare=False)
    path: str = ""
    around: str = ""
    slot: int = -1
    items: tuple[Item, ...] = ()
    alike: int = 0

    @cached_property
    def stem(self) -> str:
        """The label without numbers: `layer` for `layer_3`."""
        return _NUMBER.sub("", self.label)

    @cached_property
    def slots(self) -> tuple[int, ...]:
        """The positions of all rows in it."""
        return (self.slot,) if self.slot >= 0 else tuple(s for item in self.items for s in item.slots)

    @cached_property
    def owned(self) -> tuple[Row, ...]:
        """The rows that count."""
        return tuple(self.rows[s] for s in self.slots if self.rows[s].counted)

    @cached_property
    def lines(self) -> int:
        """How many lines it takes, unfolded."""
        return 1 + sum(item.lines for item in self.items)

    @cached_property
    def content(self) -> object:
        """Equal for modules that differ in their name, and in whom they borrow from, only."""
        if self.slot >= 0:
            row = self.rows[self.slot]
            return row.kind, row.collection, row.shape, row.dtype, row.stages, row.borrows.partition(" | ")[2]
        return tuple((item.label, item.content) for item in self.items)

    @cached_property
    def lenders(self) -> tuple[str, ...]:
        """Whom its borrowers borrow from: by the path within, where that is inside of it."""
        start, rows = self.path + "/", (self.rows[s] for s in self.slots)
        lenders = (r.chain[1] for r in rows if r.kind == "borrowed")
        return tuple("." + p.removeprefix(self.path) if p.startswith(start) else p for p in lenders)


def tree(rows: Sequence[Row]) -> tuple[Item, ...]:
    """The outermost items of a ledger's rows."""
    root = _Module()
    for i, row in enumerate(rows):
        module = root
        for segment in _segments(paths.split(row.path)[0]):
            module = module.parts.setdefault(segment, _Module())
        module.slots.append(i)
    order = [(root, "")]  # without recursion, as programs nest modules a thousand deep
    for module, around in order:
        order += [(part, f"{around}{name}/") for name, part in module.parts.items()]
    made: dict[int, tuple[Item, ...]] = {}
    for module, around in reversed(order):
        names = [paths.split(rows[s].path)[1] for s in module.slots]
        slots = [Item(n, rows, around + n, around, slot=s) for n, s in zip(names, module.slots, strict=True)]
        parts = [_part(name, made[id(part)], rows, around) for name, part in module.parts.items()]
        made[id(module)] = _gather([*slots, *parts], rows)
    return made[id(root)]


def _segments(module: str) -> list[str]:
    """`lm/~/embed` → `lm`, `~/embed`: a method is not a level of its own."""
    return re.findall(r"(?:~[^/]*/)*[^/]+", module)


def _part(name: str, items: tuple[Item, ...], rows: Sequence[Row], around: str) -> Item:
    """A module; one with a single part shares its item with it.

    Args:
      name: the module's own.
      items: what is in it.
      rows: all rows of the ledger.
      around: the path before the name: empty, or it ends in "/".
    """
    if len(items) == 1 and not items[0].alike:
        return Item(f"{name}/{items[0].label}", rows, around + name, around, items[0].slot, items[0].items)
    return Item(name, rows, around + name, around, items=items)


def _gather(items: Sequence[Item], rows: Sequence[Row]) -> tuple[Item, ...]:
    """Siblings alike become one item where the first of them is.

    Args:
      items: siblings.
      rows: all rows of the ledger.
    """
    if len(items) < _ALIKE:
        return tuple(items)
    first, rest = _alike(items, rows, lambda item: item.lenders)
    second, single = _alike(rest, rows, lambda item: tuple(_shift(item, lender) for lender in item.lenders))
    return tuple(sorted([*first, *second, *single], key=lambda item: item.slots[0]))


def _alike(
    items: Sequence[Item], rows: Sequence[Row], lenders: Callable[[Item], object]
) -> tuple[list[Item], list[Item]]:
    """The groups of items alike, and the items that are in none.

    Args:
      items: siblings.
      rows: all rows of the ledger.
      lenders: what is to be equal of whom the borrowers in an item borrow from.
    """
    kinds = Counter((item.stem, len(item.slots)) for item in items)  # comparing contents takes longer
    same: dict[object, list[Item]] = {}
    for item in items:
        often = kinds[item.stem, len(item.slots)] >= _ALIKE
        same.setdefault((item.stem, item.content, lenders(item)) if often else id(item), []).append(item)
    groups = [
        Item(f"{g[0].label} … {g[-1].label}", rows, g[0].path, g[0].around, items=tuple(g), alike=len(g))
        for g in same.values()
        if len(g) >= _ALIKE
    ]
    return groups, [item for group in same.values() if len(group) < _ALIKE for item in group]


def _shift(item: Item, lender: str) -> object:
    """A lender in a sibling: how far before, and where in it. Layers that each borrow from the one before are alike.

    Args:
      item: the module that borrows.
      lender: a path, as in `Item.lenders`.
    """
    head, _, rest = lender.removeprefix(item.around).partition("/")
    mine = re.search(r"(\d+)(?=/|$)", item.label)
    its = re.fullmatch(r"(.*?)_?(\d+)?", head)
    if lender.startswith(item.around) and its and its[1] == item.stem.partition("/")[0]:
        return int(mine[1]) - int(its[2] or 0) if mine else 0, rest
    return lender


@dataclass(frozen=True)
class Folded:
    """A row that stands for all rows alike.

    Attributes:
      row: the first of them.
      place: its position in the ledger.
      path: as shown: `layer_0…47/attention/w`.
      times: how many there are.
    """

    row: Row
    place: int
    path: str
    times: int


def folded(rows: Sequence[Row], fold: bool) -> tuple[list[Folded], dict[int, int]]:
    """The rows of which others are alike once; and for each row the position of the one that stands for it.

    Args:
      rows: of a ledger.
      fold: False for each row by itself.
    """
    if not fold:
        return [Folded(row, i, row.path, 1) for i, row in enumerate(rows)], {i: i for i in range(len(rows))}
    found: dict[int, Folded] = {}
    stands: dict[int, int] = {}
    todo = [(item, "", 1) for item in reversed(tree(rows))]
    while todo:
        item, around, times = todo.pop()
        if item.alike:
            first = item.items[0]
            for other in item.items[1:]:
                stands.update(zip(other.slots, first.slots, strict=True))
            label = span(first.label, item.items[-1].label)
            same = Item(label, rows, first.path, first.around, first.slot, first.items)
            todo.append((same, around, times * item.alike))
            continue
        path = f"{around}/{item.label}" if around else item.label
        if item.slot >= 0:
            row = rows[item.slot]
            shown = path if times > 1 else row.path
            found[item.slot] = Folded(row, item.slot, shown, times)
        todo += [(inner, path, times) for inner in reversed(item.items)]
    return [found[i] for i in sorted(found)], {i: _last(stands, i) for i in range(len(rows))}


def modules(rows: Sequence[Row], depth: int, fold: bool) -> list[tuple[str, tuple[int, ...], int]]:
    """The modules at a depth, and the slots above of it: their path as shown, their rows, and how many are alike.

    Args:
      rows: of a ledger.
      depth: how many segments of the paths count.
      fold: whether modules alike are one.
    """
    groups: dict[str, tuple[list[int], int]] = {}
    for one in folded(rows, fold)[0]:
        groups.setdefault("/".join(one.path.split("/")[:depth]), ([], one.times))[0].append(one.place)
    return [(path, tuple(slots), times) for path, (slots, times) in groups.items()]


def _last(stands: dict[int, int], place: int) -> int:
    while place in stands:
        place = stands[place]
    return place


def span(first: str, last: str) -> str:
    """Names from a first to a last one, segment by segment.

    >>> span("layer_0", "layer_47"), span("linear/w", "linear_3/w")
    ('layer_0…47', 'linear…linear_3/w')
    """

    def one(a: str, b: str) -> str:
        numbered = re.fullmatch(r"(.*?)\d+", a), re.fullmatch(r"(.*?)(\d+)", b)
        if a == b or numbered[1] is None:
            return a
        same = numbered[0] is not None and numbered[0][1] == numbered[1][1]
        return f"{a}…{numbered[1][2]}" if same else f"{a}…{b}"

    pairs: Iterator[tuple[str, str]] = zip(first.split("/"), last.split("/"), strict=False)
    return "/".join(one(a, b) for a, b in pairs)
