"""The ledger as text: an aligned table that fits a terminal, Mermaid, Graphviz."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from tenure.core.errors import RuleError, brief
from tenure.core.ledger.row import Row
from tenure.core.ledger.rows import Rows
from tenure.core.ledger.tree import Folded, folded, modules

_HEAD = ("owner", "shape", "dtype", "count", "stages", "users", "asked for at")
_PATH, _SHAPE, _DTYPE, _COUNT, _STAGES, _USERS, _SITE = range(7)
_LOOKS = {
    "owned": "fill:#dbe9ff,stroke:#1f5fbf",
    "borrowed": "fill:#fff1d6,stroke:#b26b00",
    "given": "fill:#e3f4e1,stroke:#2f7d32",
}
_DEEPEST = 4  # of the indentation; a longer chain names its lenders instead


def table(ledger: Rows, width: int | None, depth: int | None, shared_only: bool, fold: bool, sites: bool) -> str:
    """One line for each slot: owners, and below each of them its borrowers with their views.

    Args:
      ledger: the ledger.
      width: characters of a line; the terminal's if None, at least 60.
      depth: one line for each module so many levels deep instead, with what it owns.
      shared_only: leave out what only its owner uses.
      fold: whether layers that are alike, four or more, are one line.
      sites: whether to show which line of the program asked.
    """
    width = max(60, width or shutil.get_terminal_size((120, 24)).columns)
    if depth is None:
        users = Counter((r.collection, owner) for r in ledger.rows for owner in r.owners)
        lines = _lines(ledger, shared_only, fold)
        cells = [_HEAD, *(_cells(line, users[line.of.row.collection, line.of.row.path]) for line in lines)]
    else:
        cells = [("module", *_HEAD[1:-1], ""), *_modules(ledger, _level(depth), shared_only, fold)]
    shown = _align(cells if sites else [(*cell[:-1], "") for cell in cells], width)
    wrap = textwrap.TextWrapper(width, subsequent_indent="  ", break_on_hyphens=False).wrap
    foot = chain.from_iterable(map(wrap, [total(ledger), *_notes(ledger)]))
    return "\n".join([shown[0], "─" * max(map(len, shown)), *shown[1:], "", *foot])


def _times(number: int) -> str:
    return f"{number} × " if number > 1 else ""


def _level(depth: Any) -> int:
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise RuleError(f"depth is {brief(depth)}, not a number of levels", ways=["depth=1: the outermost modules"])
    return depth


class _Line(NamedTuple):
    """A line of the table: a slot, how far it is indented, and a lender that is not the line above."""

    of: Folded
    depth: int
    lender: str = ""


def _lines(ledger: Rows, shared_only: bool, fold: bool) -> Iterator[_Line]:
    """Each owner, and after it those that borrow from it, directly or through one another.

    Args:
      ledger: the ledger.
      shared_only: leave out what only its owner uses.
      fold: whether layers alike are one line.
    """
    stand_for, stands = folded(ledger.rows, fold)
    shared = ledger.shared if shared_only else set(range(len(ledger.rows)))
    below: dict[int, list[tuple[Folded, str]]] = {}  # those that borrow from nothing in the table are below -1
    for one in stand_for:
        row = one.row
        lender = (row.part_of if row.collection == "params" else "") or (row.chain[1] if row.kind == "borrowed" else "")
        at = ledger.place.get((row.collection, lender), -1)
        below.setdefault(stands.get(at, -1), []).append((one, "" if stands.get(at, -1) == at else lender))
    tops = sorted(below.get(-1, []), key=lambda top: top[0].row.collection)
    todo = [_Line(one, 0) for one, _ in reversed(tops) if one.place in shared]
    while todo:
        line = todo.pop()
        yield line
        inner = reversed(below.get(line.of.place, []))
        todo += [_Line(one, line.depth + 1, lender) for one, lender in inner if one.place in shared]


def _cells(line: _Line, users: int) -> tuple[str, ...]:
    row, depth, times = line.of.row, line.depth, line.of.times
    count = f"{row.count * times:,}"
    if row.part_of and depth:
        indent, through = "  " * min(depth, _DEEPEST) + "+ ", ""
    elif depth:
        indent, count, through = "  " * min(depth, _DEEPEST) + "↳ ", "0", row.view and f"| {row.view}"
        lender = line.lender or (row.chain[1] if depth > _DEEPEST else "")
        through = f"← {lender} {through}".rstrip() if lender else through
    else:
        indent, through = "", f"{users} users" if users > 1 else ""
    count = "given" if row.kind == "given" else "state" if row.collection == "state" else count
    cells = (indent + line.of.path, _times(times) + shape(row), row.dtype, count, row.staged, through, row.site)
    return tuple(map(_printable, cells))


def _modules(ledger: Rows, depth: int, shared_only: bool, fold: bool) -> Iterator[tuple[str, ...]]:
    """One line for each module at that depth, and for what is above of it.

    Args:
      ledger: the ledger.
      depth: how many levels deep the modules are.
      shared_only: leave out modules that share nothing.
      fold: whether modules alike are one line.
    """
    for label, slots, times in modules(ledger.rows, depth, fold):
        rows = [ledger.rows[i] for i in slots]
        sharing = len(ledger.shared.intersection(slots))
        if shared_only and not sharing:
            continue
        count = sum(r.count for r in rows if r.counted) * times
        dtypes = ", ".join(dict.fromkeys(r.dtype for r in rows))
        yield (
            label,
            _times(times) + many(len(rows), "slot"),
            dtypes,
            f"{count:,}",
            "",
            f"{sharing} shared" if sharing else "",
            "",
        )


def _align(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Columns side by side. Until a line fits, the least telling columns go; then texts are cut in their middle.

    Args:
      rows: cells, the head first, in the order of the columns `_PATH` to `_SITE`.
      width: characters of a line.
    """
    columns = enumerate(zip(*rows, strict=True))
    sizes = {i: max(map(len, column)) for i, column in columns if i != _STAGES or any(column[1:])}
    uniform = len({row[_DTYPE] for row in rows[1:]}) <= 1
    for column in (_DTYPE, _SITE) if uniform else (_SITE, _DTYPE):
        if _excess(sizes, width) > 0:
            del sizes[column]
    floors = ((_USERS, 24), (_STAGES, 24), (_PATH, 30), (_USERS, 12), (_STAGES, 12), (_PATH, 18), (_SHAPE, 9))
    for column, floor in (*floors, (_USERS, 8), (_STAGES, 6), (_PATH, 4)):
        if column in sizes:
            sizes[column] -= min(max(_excess(sizes, width), 0), max(sizes[column] - floor, 0))
    return ["  ".join(_fit(row[i], size, i == _COUNT) for i, size in sizes.items()).rstrip() for row in rows]


def _excess(sizes: dict[int, int], width: int) -> int:
    return sum(sizes.values()) + 2 * (len(sizes) - 1) - width


def _fit(text: str, size: int, right: bool) -> str:
    if len(text) > size:
        mark = re.match(r" *[↳+] ", text)  # a borrower's mark stays, whatever is cut
        front = mark[0][-max(size - 3, 2) :] if mark else ""
        text, room = text[len(mark[0]) if mark else 0 :], size - len(front)
        head = (room - 1) // 2
        short = text if len(text) <= room else f"{text[:head]}…{text[len(text) - (room - 1 - head) :]}"
        return (front + short).ljust(size)
    return text.rjust(size) if right else text.ljust(size)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)


def total(ledger: Rows) -> str:
    """The ledger in one line: how much there is, and how much there would be if nothing were borrowed."""
    dtypes = sorted({r.dtype for r in ledger.of("owned")})
    given, borrowed, states = len(ledger.of("given")), len(ledger.of("borrowed")), ledger.of("owned", "state")
    stored = f"{many(ledger.count(), 'parameter')} ({', '.join([size(ledger.bytes()), *dtypes])})"
    untied = f" ({ledger.count() + saved(ledger)[0]:,} if untied)" if borrowed else ""
    parts = [f"{stored} in {many(len(ledger.owners), 'owner')}"] + [f"{given} given"] * bool(given)
    parts += [f"{borrowed or 'none'} borrowed{untied}"]
    parts += [f"{many(len(states), 'state')} ({size(sum(r.bytes for r in states))})"] if states else []
    return ", ".join(parts)


def saved(ledger: Rows) -> tuple[int, int]:
    """Parameters and bytes that the borrowers would own if they were untied."""
    return sum(r.count for r in ledger.of("borrowed")), sum(r.bytes for r in ledger.of("borrowed"))


def notes(ledger: Rows) -> dict[str, list[str]]:
    """Each note with the paths that it is about."""
    found: dict[str, list[str]] = {}
    for row in ledger.rows:
        for note in row.notes:
            found.setdefault(note, []).append(row.path)
    return found


def _notes(ledger: Rows) -> Iterator[str]:
    for note, paths in notes(ledger).items():
        more = f" and {len(paths) - 4} more" if len(paths) > 4 else ""
        yield _printable(f"note: {note}: {', '.join(paths[:4])}{more}")


def shape(row: Row) -> str:
    """`(11, 4)`; `tree` for a state that is not one array."""
    return "(" + ", ".join(map(str, row.shape)) + ")" if row.dtype != "tree" else "tree"


def many(number: int, noun: str) -> str:
    """`1 owner`, `2 owners`."""
    return f"{number:,} {noun}" + "s" * (number != 1)


def size(amount: float) -> str:
    """A number of bytes to read."""
    if amount < 1024:
        return many(int(amount), "byte")
    for unit in ("KiB", "MiB", "GiB"):
        amount /= 1024
        if amount < 1000:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:,.1f} TiB"


_DRAWN = 50_000  # characters of a diagram that Mermaid still draws


def mermaid(ledger: Rows, depth: int | None, shared_only: bool, fold: bool) -> str:
    """A flowchart from owners to borrowers, the views on the arrows; what it shows is said at `Ledger.to_mermaid`."""
    chart = _slots_drawn(ledger, shared_only, fold) if depth is None else _modules_drawn(ledger, _level(depth), fold)
    if depth is not None or not fold:
        return chart.text()
    level = max((len(r.path.split("/")) for r in ledger.rows), default=1)
    while len(chart.text()) > _DRAWN and level:
        chart, level = _modules_drawn(ledger, level, fold), level - 1
    kept = len(chart.boxes)
    while len(text := chart.text(kept)) > _DRAWN:
        kept = kept * 3 // 4
    return text


class _Chart(NamedTuple):
    """A flowchart.

    Attributes:
      boxes: its number → its line.
      arrows: (lender, user, view), of boxes.
    """

    boxes: dict[int, str]
    arrows: Iterable[tuple[int, int, str]]

    def text(self, kept: int | None = None) -> str:
        """As Mermaid reads it; of the first boxes only if it is said how many."""
        boxes = dict(islice(self.boxes.items(), kept))
        lines = ["flowchart LR", *boxes.values()]
        for lender, user, through in self.arrows:
            if lender in boxes and user in boxes:
                lines.append(f"  s{lender} -->" + (f'|"{_entities(through)}"| ' if through else " ") + f"s{user}")
        if left := len(self.boxes) - len(boxes):
            lines.append(f'  more["… and {left:,} modules more"]')
        return "\n".join([*lines, *(f"  classDef {kind} {look},color:#16191d" for kind, look in _LOOKS.items())])


def _slots_drawn(ledger: Rows, shared_only: bool, fold: bool) -> _Chart:
    stand_for, stands = folded(ledger.rows, fold)
    arrows = dict.fromkeys((stands[a], stands[b], through) for a, b, through in ledger.edges)
    some = {i for arrow in arrows for i in arrow[:2]} if shared_only and arrows else set(stands.values())
    boxes = {}
    for one in stand_for:
        left, right = ("([", "])") if one.row.kind == "borrowed" else ("[", "]")
        if one.place in some:
            text = f"{_entities(one.path)}<br/>{_entities(_times(one.times) + shape(one.row))}"
            boxes[one.place] = f'  s{one.place}{left}"{text}"{right}:::{one.row.kind}'
    return _Chart(boxes, arrows)


def _modules_drawn(ledger: Rows, depth: int, fold: bool) -> _Chart:
    boxes, box_of = {}, dict[int, int]()
    for number, (label, slots, times) in enumerate(modules(ledger.rows, depth, fold)):
        box_of.update(dict.fromkeys(slots, number))
        count = sum(ledger.rows[i].count for i in slots if ledger.rows[i].counted)
        if ledger.shared.intersection(slots) or not ledger.shared:
            text = f"{_entities(label)}<br/>{_entities(many(count * times, 'parameter'))}"
            boxes[number] = f'  s{number}["{text}"]:::owned'
    stands = folded(ledger.rows, fold)[1]
    found = ((box_of[stands[a]], box_of[stands[b]], through) for a, b, through in ledger.edges)
    return _Chart(boxes, dict.fromkeys(arrow for arrow in found if arrow[0] != arrow[1]))


def _entities(text: str) -> str:
    """Mermaid reads labels as HTML and as Markdown: all but plain characters as entities."""
    return re.sub(r"[^\w /.,=()\[\]-]", lambda found: f"#{ord(found[0])};", _printable(text))


def dot(ledger: Rows) -> str:
    """A Graphviz digraph from owners to borrowers; slots that share nothing are left out."""
    lines = ["digraph ledger {", "  rankdir=LR; node [shape=box, fontname=Helvetica];"]
    for i in sorted(ledger.shared) or range(len(ledger.rows)):
        row = ledger.rows[i]
        style = {"owned": "", "borrowed": ", style=dashed", "given": ", style=dotted"}[row.kind]
        lines.append(f"  {_dot(row.path)} [label={_dot(f'{row.path} {shape(row)}')}{style}];")
    lines += [
        f"  {_dot(ledger.rows[lender].path)} -> {_dot(ledger.rows[user].path)} [label={_dot(through)}];"
        for lender, user, through in ledger.edges
    ]
    return "\n".join([*lines, "}"])


def _dot(text: str) -> str:
    return '"' + _printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
