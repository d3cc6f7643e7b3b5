"""The ledger as one self-contained page: the tree of modules, who owns, who borrows, through which view.

The page needs no network, and no script for what matters: the tree folds by `<details>`, each borrower names its
lender and its views, and the chains of every shared owner are drawn. The script adds arcs, highlights and a filter.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from string import Template

from tenure.core.ledger import report
from tenure.core.ledger.row import Row
from tenure.core.ledger.rows import Rows
from tenure.core.ledger.tree import Item, tree

_OPEN = 70  # lines that the tree shows at first
_DEEPEST = 5  # hops of a chain that are drawn inside one another
_SIDE_BY_SIDE = 5  # borrowers with the same lender and view that a card lists before it folds the rest
_COLOURS = 8


def html(ledger: Rows, title: str = "Ledger") -> str:
    """The page, as one string."""
    style, script = _file("page.css"), _file("page.js")
    book, items = _Book(ledger), tree(ledger.rows)
    opened = _opened(items)
    return Template(_file("page.html")).substitute(
        title=escape(title),
        style=style,
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        shared="shared" if book.groups else "unshared",
        summary=_summary(ledger),
        tree="".join(_line(item, book, opened, max(ledger.bytes(), 1)) for item in items),
        total=_numbers(ledger.count(), ledger.bytes(), ledger.bytes()),
        sharing=_sharing(book),
        notes=_notes(ledger),
    )


def _file(name: str) -> str:
    return resources.files("tenure.core.ledger").joinpath(name).read_text("utf-8")


class _Book:
    """The ledger, its shared owners as groups.

    Attributes:
      lenders: a row's position → those of its lenders.
      groups: (owner, borrowers), as positions.
      groups_of: a row's position → the numbers of its groups.
    """

    def __init__(self, ledger: Rows):
        self.ledger, self.rows, self.place = ledger, ledger.rows, ledger.place
        self.lenders: dict[int, list[int]] = {}
        for lender, user, _ in ledger.edges:
            self.lenders.setdefault(user, []).append(lender)
        users: dict[int, list[int]] = {}
        for i, row in enumerate(self.rows):
            for path in row.owners if row.kind == "borrowed" else ():
                owner = self.place.get((row.collection, path))
                if owner is not None and self.rows[owner].kind != "borrowed":
                    users.setdefault(owner, []).append(i)
        self.groups = sorted(users.items())
        self.groups_of: dict[int, list[int]] = {}
        for group, (owner, borrowers) in enumerate(self.groups):
            for i in (owner, *borrowers):
                self.groups_of.setdefault(i, []).append(group)


def _letters(group: int) -> str:
    """A, B, … Z, AA, AB, …"""
    return (_letters(group // 26 - 1) if group >= 26 else "") + chr(ord("A") + group % 26)


def _summary(ledger: Rows) -> str:
    count, size = ledger.count(), ledger.bytes()
    more, more_bytes = report.saved(ledger)
    given, borrowed, states = len(ledger.of("given")), len(ledger.of("borrowed")), ledger.of("owned", "state")
    owners = len(ledger.owners)
    tiles = [("parameters", f"{count:,}", report.size(size)), ("owner" + "s" * (owners != 1), f"{owners:,}", "")]
    tiles += [("borrowed", f"{borrowed:,}", "0 parameters")] if borrowed else []
    tiles += [("given", f"{given:,}", "computed by the model")] if given else []
    tiles += [("state", f"{len(states):,}", report.size(sum(r.bytes for r in states)))] if states else []
    if more:
        tiles.append(("if untied", f"{count + more:,}", report.size(size + more_bytes)))
        tiles.append(("saved by sharing", f"{more / (count + more):.0%}", f"{more:,} parameters"))
    cells = [f"<div><dt>{name}</dt><dd>{number}</dd><dd class=unit>{unit}</dd></div>" for name, number, unit in tiles]
    return f"<dl class=tiles>{''.join(cells)}</dl>{_ratio(count, more)}"


def _ratio(count: int, more: int) -> str:
    """What is stored, beside what sharing saves."""
    if not more:
        return "<p class=quiet>Nothing is shared: every parameter has one user, its owner.</p>"
    stored = 100 * count / (count + more)
    label = f"{count:,} parameters are stored; {more:,} more would be if nothing were borrowed"
    bar = f'<span style="width:{stored:.2f}%"></span>'
    return f'<div class=ratio role=img aria-label="{label}" title="{label}">{bar}</div>'


def _opened(items: Sequence[Item]) -> set[int]:
    """Which modules are open at first (by `id`): all if they fit; else the outer ones, but none that are alike."""
    room = _OPEN - len(items)
    fits = sum(item.lines for item in items) <= _OPEN
    opened, level = set(), [items]
    while level:
        following: list[Sequence[Item]] = []
        for siblings in level:
            folded = {item.items[0].stem for item in siblings if item.alike}
            for item in siblings:
                if item.items and len(item.items) <= room and (fits or not (item.alike or item.stem in folded)):
                    room -= len(item.items)
                    opened.add(id(item))
                    following.append(item.items)
        level = following
    return opened


def _line(item: Item, book: _Book, opened: set[int], whole: int) -> str:
    if item.slot >= 0:
        return _slot(item, book, whole)
    groups = sorted({g for s in item.slots for g in book.groups_of.get(s, ())})
    badges = "".join(_badge([g], "in") for g in groups[:4]) + f"<i>+{len(groups) - 4}</i>" * (len(groups) > 4)
    alike = f"<em>{item.alike} alike</em>" if item.alike else ""
    count, size = sum(r.count for r in item.owned), sum(r.bytes for r in item.owned)
    name = f"<span class=name><b>{_breakable(item.label)}</b>{alike}<span class=inside>{badges}</span></span>"
    slots = f"<span class=shape>{report.many(len(item.slots), 'slot')}</span><span class=dtype></span>"
    head = f"<summary class=line>{name}{slots}{_numbers(count, size, whole)}</summary>"
    parts = "".join(_line(part, book, opened, whole) for part in item.items)
    return f"<li class=module><details{' open' * (id(item) in opened)}>{head}<ul>{parts}</ul></details></li>\n"


def _slot(item: Item, book: _Book, whole: int) -> str:
    i, row = item.slot, book.rows[item.slot]
    kind = "state" if row.collection == "state" and row.kind == "owned" else row.kind
    groups = book.groups_of.get(i, [])
    colour = f" g{groups[0] % _COLOURS}" if groups else ""
    ties = f' data-g="{" ".join(map(str, groups))}"' * bool(groups)
    ties += f' data-from="{" ".join(map(str, book.lenders[i]))}"' if i in book.lenders else ""
    head = f'<li class="slot line {kind}{colour}" id="s{i}" data-path="{escape(row.path)}"{ties}'
    head += f' title="{escape(_about(row, kind))}">'
    module, _, name = item.label.rpartition("/")
    label = f"{_breakable(module + '/') if module else ''}<b>{escape(name)}</b>"
    mark = _badge(groups, row.kind) if groups else f"<span class=mark><span class=vh>{kind} </span></span>"
    tags = "".join(f"<em>{tag}</em>" for tag in ("state", "given") if tag == kind or tag == row.collection)
    tags += f"<em>{escape(row.staged)}</em>" * bool(row.staged)
    cells = f"<span class=shape>{escape(report.shape(row))}</span><span class=dtype>{escape(row.dtype)}</span>"
    cells += _numbers(row.count, row.bytes, whole) if kind == "owned" else _numbers(0, 0, whole, row.bytes)
    return f"{head}{mark}<span class=name>{label}{tags}{_borrows(row, book)}</span>{cells}</li>\n"


def _borrows(row: Row, book: _Book) -> str:
    """`← lender`, its views, and the owner at the end of a longer chain."""
    if row.kind != "borrowed":
        return ""
    hops = [row.chain[1], *(row.chain[-1:] if len(row.chain) > 2 else [])]
    first, *last = [f"<span class=from>← {_link(book, row.collection, hop)}</span>" for hop in hops]
    return " ".join([first, _chips(row), *last])


def _chips(row: Row) -> str:
    return f"<span class=chip>{escape(row.view)}</span>" if row.view else ""


def _link(book: _Book, collection: str, path: str) -> str:
    place = book.place.get((collection, path))
    return _breakable(path) if place is None else f'<a href="#s{place}">{_breakable(path)}</a>'


def _numbers(count: int, size: int, whole: int, instead: int | None = None) -> str:
    """Count, bytes and bar; hollow, and of other bytes, for what is not stored here, or is no parameter.

    Args:
      count, size: of elements, and of bytes.
      whole: the bytes that are the whole width of a bar.
      instead: bytes for the bar of what is not stored here; None for what is.
    """
    drawn, look = (size, "bar") if instead is None else (instead, "bar hollow")
    width = min(100.0, 100 * drawn / max(whole, 1))
    bar = f'<span class="{look}" style="width:{width:.2f}%"></span>' * bool(drawn)
    cells = ("count", f"{count:,}"), ("bytes", report.size(size)), ("bars", bar)
    return "".join(f"<span class={name}>{text}</span>" for name, text in cells)


def _about(row: Row, kind: str) -> str:
    """Where a slot comes from, as one line."""
    tie = f" by {row.origin}=" if row.origin and kind in ("borrowed", "given") else ""
    axes = f"; axes {', '.join(a or '-' for a in row.axes)}" if row.axes else ""
    asked = f"; asked for by {row.asker} at {row.site}" if row.asker else ""
    notes = "".join(f"; {note}" for note in row.notes)
    return f"{row.path}: {kind}{tie}, {report.shape(row)} {row.dtype}{axes}{asked}{notes}"


def _badge(groups: Sequence[int], role: str) -> str:
    """The letters of the groups: solid for the owner, an outline for a borrower, and for a module ("in") around them.

    Args:
      groups: numbers of groups of slots that share; the first one's colour is the badge's.
      role: "in" for a module, else the kind of the slot.
    """
    letters = "+".join(map(_letters, groups[:3]))
    word, look = {"in": ("shares", "outline"), "borrowed": ("borrows", "outline")}.get(role, ("shared owner", "solid"))
    return f'<span class="badge {look} g{groups[0] % _COLOURS}"><span class=vh>{word} </span>{letters}</span>'


def _breakable(path: str) -> str:
    return escape(path).replace("/", "/<wbr>")


def _sharing(book: _Book) -> str:
    if not book.groups:
        return ""
    cards = "".join(_card(book, group) for group in range(len(book.groups)))
    return f"<aside aria-labelledby=sharing><h2 id=sharing>Who shares what</h2>{cards}</aside>"


def _card(book: _Book, group: int) -> str:
    owner, borrowers = book.groups[group]
    row = book.rows[owner]
    users: dict[int, list[int]] = {}
    for i in borrowers:
        lender = next((k for k in book.lenders.get(i, ()) if k in borrowers or k == owner), owner)
        users.setdefault(lender, []).append(i)
    stored = f"{row.count:,} × {escape(row.dtype)}, {report.size(row.bytes)}"
    what = "a given value, not stored" if row.kind == "given" else stored
    link, shape = _link(book, row.collection, row.path), escape(report.shape(row))
    box = f"<div class=owner>{_badge([group], row.kind)}{link} <span>{shape}</span></div>"
    head = f"<h3>{report.many(len(borrowers) + 1, 'user')} of {what}</h3>"
    chain = _chain(book, users, owner, 1)
    return f'<section class="card g{group % _COLOURS}" data-g="{group}">{head}{box}{chain}</section>\n'


def _chain(book: _Book, users: Mapping[int, Sequence[int]], lender: int, depth: int) -> str:
    """The borrowers of one lender, each with its views on the arrow, and below each its own borrowers.

    Args:
      book: the ledger.
      users: lender → borrowers, of one group.
      lender: whose borrowers are drawn.
      depth: how many hops it is from the owner, and one.
    """
    deepest = depth >= _DEEPEST
    alike: dict[object, list[str]] = {}
    for i in _within(users, lender, deepest):
        row = book.rows[i]
        through = f"<small>from {escape(row.chain[1])}</small> " if deepest else ""
        link = f"{_link(book, row.collection, row.path)} <span>{escape(report.shape(row))}</span>"
        below = "" if deepest else _chain(book, users, i, depth + 1)
        text = f"<li><span class=arrow>{_chips(row)}</span>{through}<div class=borrower>{link}</div>{below}</li>"
        alike.setdefault(i if i in users else row.view, []).append(text)
    return f"<ul>{''.join(map(_folded, alike.values()))}</ul>" if alike else ""


def _within(users: Mapping[int, Sequence[int]], lender: int, all_below: bool) -> Iterator[int]:
    """The borrowers of one lender, with or without those that borrow from them in turn."""
    todo = list(reversed(users.get(lender, ())))
    while todo:
        i = todo.pop()
        yield i
        if all_below:
            todo += reversed(users.get(i, ()))


def _folded(texts: Sequence[str]) -> str:
    if len(texts) <= _SIDE_BY_SIDE + 1:
        return "".join(texts)
    first, rest = "".join(texts[:_SIDE_BY_SIDE]), texts[_SIDE_BY_SIDE:]
    return f"{first}<li class=more><details><summary>{len(rest)} more</summary><ul>{''.join(rest)}</ul></details></li>"


def _notes(ledger: Rows) -> str:
    notes = [f"<li>{escape(note)}: {escape(', '.join(about))}</li>" for note, about in report.notes(ledger).items()]
    return f"<section class=notes><h2>Notes</h2><ul>{''.join(notes)}</ul></section>" if notes else ""
