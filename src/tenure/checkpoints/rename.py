"""Rename rules: how paths in a file become paths of a model, exactly or by regular expression, for owners and users."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tenure.core.errors import RuleError, brief, nearest
from tenure.core.ledger.row import Row
from tenure.core.notation import paths
from tenure.core.notation.refs import Ref

Rules = Mapping[Any, str]


def renaming(rules: Rules | None, known: Iterable[str]) -> dict[str, str]:
    """Old path → new path for all `known` ones that a rule speaks of; of several rules, the first counts.

    Args:
      rules: an old path, or the path of a module, → the new one; or a compiled regular expression, which must match the
        whole path, → its replacement, as for `re.sub`.
      known: all paths, of owners and users.

    Raises:
      RuleError: a rule matches nothing, or only what earlier ones match, two paths become one, or the rules are none.

    >>> renaming({"embed": "encoder/embed", re.compile(r"l(\\d+)/w"): r"layer_\\1/w"}, ["embed/w", "l0/w", "head/b"])
    {'embed/w': 'encoder/embed/w', 'l0/w': 'layer_0/w'}
    """
    known = list(known)
    if rules is None:
        return {}
    if not isinstance(rules, Mapping):
        raise RuleError(f"rename rules are a dict, not {brief(rules)}", ways=["rename={'old/w': 'new/w'}"])
    renamed: dict[str, str] = {}
    for rule, new in rules.items():
        found = {p: to for p in known if (to := _apply(rule, new, p)) is not None}
        if not found:
            raise RuleError(
                f"the rename rule {_shown(rule)} → {brief(new)} matches nothing",
                near=nearest(rule, known) if isinstance(rule, str) else (),
                ways=["correct the path", "remove the rule", "a regular expression must match the whole path"],
            )
        new_ones = {p: to for p, to in found.items() if p not in renamed}
        if not new_ones:
            raise RuleError(
                f"the rename rule {_shown(rule)} → {brief(new)} is never used: rules before it speak of all that it matches",
                ways=["put it first, as the first rule counts", "remove the rule"],
            )
        renamed |= new_ones
    taken: dict[str, str] = {}
    for path in known:
        to = paths.check(renamed.get(path, path), "renamed path")
        if to in taken:
            raise RuleError(f"'{taken[to]}' and '{path}' would both be named '{to}'", ways=["change a rename rule"])
        taken[to] = path
    return {old: to for old, to in renamed.items() if old != to}


def _apply(rule: Any, new: Any, path: str) -> str | None:
    if not isinstance(new, str) or not isinstance(rule, str | re.Pattern):
        raise RuleError(
            f"{_shown(rule)} → {brief(new)} is no rename rule", ways=["{'old/w': 'new/w'}", "{re.compile(r'…'): '…'}"]
        )
    if isinstance(rule, re.Pattern):
        try:
            found = rule.fullmatch(path)
            return found.expand(new) if found else None
        except (re.error, TypeError, IndexError) as e:
            raise RuleError(f"the rename rule {_shown(rule)} → {brief(new)} is not one: {e}") from None
    if path == rule or path.startswith((rule + "/", rule + ".")):
        return new + path[len(rule) :]
    return None


def _shown(rule: Any) -> str:
    return f"r'{rule.pattern}'" if isinstance(rule, re.Pattern) else brief(rule)


def rename_rows(rows: Mapping[str, Row], renamed: Mapping[str, str]) -> dict[str, Row]:
    """The rows under their new paths, with what they say of each other."""
    if not renamed:
        return dict(rows)

    def new(path: str) -> str:
        return renamed.get(path, path)

    return {
        new(path): dataclasses.replace(
            row,
            path=new(row.path),
            owners=tuple(map(new, row.owners)),
            chain=tuple(map(new, row.chain)),
            borrows=rename_ref(row.borrows, renamed) if row.borrows else "",
            part_of=new(row.part_of) if row.part_of else "",
            views=tuple(_rename_views(view, renamed) for view in row.views),
        )
        for path, row in rows.items()
    }


def rename_ref(text: str, renamed: Mapping[str, str]) -> str:
    """A reference to the same slots under their new paths.

    >>> rename_ref("embed/w@weight | transpose", {"embed/w": "source/w"})
    'source/w@weight | transpose'
    """
    head, bar, steps = text.partition(" | ")  # not parsed: a Python function as a view has no form as data
    path, at, tap = head.removeprefix("/").partition("@")
    start = "/" * head.startswith("/")
    return f"{start}{renamed.get(path, path)}{at}{tap}{bar}" + _rename_views(steps, renamed)


def _rename_views(text: str, renamed: Mapping[str, str]) -> str:
    """Views as text, with the references inside of them under their new paths."""
    if "concat(" not in text:
        return text
    views = Ref.parse(f"x | {text}").views
    return " | ".join(
        str(view.with_references([rename_ref(other, renamed) for other in view.references()]))
        if view.references()
        else str(view)
        for view in views
    )


def rename_leaf(name: str, renamed: Mapping[str, str]) -> str:
    """The name of an optimizer's leaf whose last part is the path of a parameter.

    >>> rename_leaf("0/mu/embed/w", {"embed/w": "encoder/embed/w"})
    '0/mu/encoder/embed/w'
    """
    for old in sorted(renamed, key=len, reverse=True):
        if name == old or name.endswith("/" + old):
            return name[: len(name) - len(old)] + renamed[old]
    return name


__all__ = ["Rules", "rename_leaf", "rename_ref", "rename_rows", "renaming"]
