"""The ledger as text: an aligned table that fits a terminal, Mermaid, Graphviz."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from tenure.core.ledger.row import Row
from tenure.core.ledger.rows import Rows

_HEAD = ("owner", "shape", "dtype", "count", "stages", "users", "asked for at")
_PATH, _SHAPE, _DTYPE, _COUNT, _STAGES, _USERS, _SITE = range(7)
_LOOKS = {
    "owned": "fill:#dbe9ff,stroke:#1f5fbf",
    "borrowed": "fill:#fff1d6,stroke:#b26b00",
    "given": "fill:#e3f4e1,stroke:#2f7d32",
}
_DEEPEST = 4  # of the indentation; a longer chain names its lenders instead


def table(ledger: Rows, width: int | None = None) -> str:
    """One line for each slot: owners, and below each of them its borrowers with their views.

    Args:
      ledger: the ledger.
      width: characters of a line; the terminal's if None, at least 60.
    """
    width = max(60, width or shutil.get_terminal_size((120, 24)).columns)
    users = Counter((r.collection, owner) for r in ledger.rows for owner in r.owners)
    nested = [*_nested(ledger, "params"), *_nested(ledger, "state")]
    lines = _align([_HEAD, *(_cells(row, depth, users[row.collection, row.path]) for row, depth in nested)], width)
    rule = "─" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:], "", *_wrap([total(ledger), *_notes(ledger)], width)])


def _nested(ledger: Rows, collection: str) -> Iterator[tuple[Row, int]]:
    """Each owner, and after it those that borrow from it, directly or through one another."""
    rows = [r for r in ledger.rows if r.collection == collection]
    users: dict[str, list[Row]] = {}
    for row in rows:
        if row.part_of:
            users.setdefault(row.part_of, []).append(row)
    for row in rows:
        if row.kind == "borrowed":
            users.setdefault(row.chain[1], []).append(row)
    for row in rows:
        todo = [(row, 0)] if row.kind != "borrowed" and not (row.part_of and collection == "params") else []
        while todo:
            row, depth = todo.pop()
            yield row, depth
            todo += [(user, depth + 1) for user in reversed(users.get(row.path, []))]


def _cells(row: Row, depth: int, users: int) -> tuple[str, ...]:
    if row.part_of and depth:
        indent, count, through = "  " * min(depth, _DEEPEST) + "+ ", f"{row.count:,}", ""
    elif depth:
        indent, count, through = "  " * min(depth, _DEEPEST) + "↳ ", "0", view(row) and f"| {view(row)}"
        through = f"← {row.chain[1]} {through}".rstrip() if depth > _DEEPEST else through
    else:
        indent, count, through = "", f"{row.count:,}", f"{users} users" if users > 1 else ""
    count = "given" if row.kind == "given" else "state" if row.collection == "state" else count
    cells = (indent + row.path, shape(row), row.dtype, count, stages(row), through, row.site)
    return tuple(map(_printable, cells))


def _align(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Columns side by side. Until a line fits, the least telling columns go; then texts are cut in their middle."""
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
        head = (size - 1) // 2
        return f"{text[:head]}…{text[len(text) - (size - 1 - head) :]}"
    return text.rjust(size) if right else text.ljust(size)


def _wrap(texts: Sequence[str], width: int) -> list[str]:
    wrapped = (textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False) for text in texts)
    return [line for lines in wrapped for line in lines]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)


def total(ledger: Rows) -> str:
    """The ledger in one line: how much there is, and how much there would be if nothing were borrowed."""
    params = [r for r in ledger.rows if r.collection == "params"]
    dtypes = sorted({r.dtype for r in params if r.kind == "owned"})
    given, borrowed = (sum(r.kind == kind for r in params) for kind in ("given", "borrowed"))
    stored = f"{many(ledger.count(), 'parameter')} ({', '.join([size(ledger.bytes()), *dtypes])})"
    untied = f" ({ledger.count() + saved(ledger)[0]:,} if untied)" if borrowed else ""
    parts = [f"{stored} in {many(len(ledger.owners), 'owner')}"] + [f"{given} given"] * bool(given)
    parts += [f"{borrowed or 'none'} borrowed{untied}"]
    states = [r for r in ledger.rows if r.collection == "state" and r.kind == "owned"]
    parts += [f"{many(len(states), 'state')} ({size(sum(r.bytes for r in states))})"] if states else []
    return ", ".join(parts)


def saved(ledger: Rows) -> tuple[int, int]:
    """Parameters and bytes that the borrowers would own if they were untied."""
    borrowed = [r for r in ledger.rows if r.collection == "params" and r.kind == "borrowed"]
    return sum(r.count for r in borrowed), sum(r.bytes for r in borrowed)


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


def view(row: Row) -> str:
    """A borrower's own views: what it does to the value of its lender, the next slot of its chain."""
    return row.borrows.partition(" | ")[2]


def stages(row: Row) -> str:
    """What the value goes through: `weight_norm · noise(0.05)`; of a stage's leaf, whether it is frozen."""
    return " ".join([*[" · ".join(row.stages)] * bool(row.stages), *["(frozen)"] * row.frozen])


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


def edges(ledger: Rows) -> list[tuple[int, int, str]]:
    """(lender, borrower, view), as positions in `ledger.rows`: what each borrower names, and what it is joined with."""
    place = {(r.collection, r.path): i for i, r in enumerate(ledger.rows)}
    found = []
    for i, row in enumerate(ledger.rows):
        lender = place.get((row.collection, row.chain[1])) if row.kind == "borrowed" else None
        if lender is not None:
            joined = (place.get((row.collection, o)) for o in row.owners if o not in ledger.rows[lender].owners)
            found += [(k, i, view(row)) for k in (lender, *joined) if k is not None]
    return found


def mermaid(ledger: Rows) -> str:
    """A flowchart from owners to borrowers, the views on the arrows; slots that share nothing are left out."""
    lines = ["flowchart LR"]
    for i in _drawn(ledger):
        row = ledger.rows[i]
        left, right = ("([", "])") if row.kind == "borrowed" else ("[", "]")
        lines.append(f'  s{i}{left}"{_entities(row.path)}<br/>{_entities(shape(row))}"{right}:::{row.kind}')
    for lender, user, through in edges(ledger):
        lines.append(f"  s{lender} -->" + (f'|"{_entities(through)}"| ' if through else " ") + f"s{user}")
    return "\n".join([*lines, *(f"  classDef {kind} {look},color:#16191d" for kind, look in _LOOKS.items())])


def _drawn(ledger: Rows) -> list[int]:
    """What a diagram shows: all that is shared; everything, if nothing is."""
    return sorted({i for edge in edges(ledger) for i in edge[:2]}) or list(range(len(ledger.rows)))


def _entities(text: str) -> str:
    """Mermaid reads labels as HTML and as Markdown: all but plain characters as entities."""
    return re.sub(r"[^\w /.,=()\[\]-]", lambda found: f"#{ord(found[0])};", _printable(text))


def dot(ledger: Rows) -> str:
    """A Graphviz digraph from owners to borrowers; slots that share nothing are left out."""
    lines = ["digraph ledger {", "  rankdir=LR; node [shape=box, fontname=Helvetica];"]
    for i in _drawn(ledger):
        row = ledger.rows[i]
        style = {"owned": "", "borrowed": ", style=dashed", "given": ", style=dotted"}[row.kind]
        lines.append(f"  {_dot(row.path)} [label={_dot(f'{row.path} {shape(row)}')}{style}];")
    lines += [
        f"  {_dot(ledger.rows[lender].path)} -> {_dot(ledger.rows[user].path)} [label={_dot(through)}];"
        for lender, user, through in edges(ledger)
    ]
    return "\n".join([*lines, "}"])


def _dot(text: str) -> str:
    return '"' + _printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
