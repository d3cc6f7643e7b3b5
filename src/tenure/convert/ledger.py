"""A ledger of weights that no program has made: owners as a file has them, and the ties that it states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.convert import names
from tenure.convert.errors import MapError
from tenure.core.errors import nearest
from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row
from tenure.core.notation import paths
from tenure.core.notation.view import Misfit, View

Form = tuple[tuple[int, ...], str]


def ledger_of(owners: Mapping[str, Form], ties: Mapping[str, str], origin: str = "ties") -> Ledger:
    """A ledger.

    Args:
      owners: path → shape and dtype.
      ties: path → another path, with views.
      origin: what tied them, for the ledger's column.

    Raises:
      MapError: a tie that leads nowhere or round in a circle, or views that do not fit.
      PathSyntaxError: a name that is no path.

    >>> ledger_of({"embed/w": ((5, 2), "float32")}, {"head/w": "embed/w | transpose"}).users_of("embed/w")
    ('embed/w', 'head/w')
    """
    rows = {p: _owner(p, form) for p, form in owners.items()}
    for path in ties:
        rows[path] = _borrower(path, owners, ties, origin)
    return Ledger(list(rows.values()))


def _owner(path: str, form: Form) -> Row:
    path = _absolute(path)
    return Row(path, "owned", "params", tuple(form[0]), form[1], (path,), (path,))


def _absolute(path: str) -> str:
    """A path with a module: parameters made outside any live in `~`."""
    return paths.check(path) if "/" in path else paths.join("", paths.check(path))


def _borrower(path: str, owners: Mapping[str, Form], ties: Mapping[str, str], origin: str) -> Row:
    chain, at = [path], path
    steps: list[View] = []
    while at not in owners:
        if at not in ties:
            raise MapError(
                f"the tie of '{path}' leads to '{at}', which there is not", near=nearest(at, [*owners, *ties])
            )
        at, views = names.parse(ties[at])
        if at in chain:
            raise MapError(f"the tie of '{path}' leads round in a circle: {' → '.join([*chain, at])}")
        chain.append(at)
        steps = [*views, *steps]
    shape, dtype = owners[at]
    seen: list[str] = []
    try:
        for step in steps:
            shape, dtype = step.out(tuple(shape), dtype)
            seen.append(str(step))
    except Misfit as error:
        raise MapError(f"the tie of '{path}' does not fit '{at}': {error}") from None
    absolute = tuple(map(_absolute, chain))
    first, views = names.parse(ties[path])
    borrows = " | ".join([f"/{_absolute(first)}", *map(str, views)])
    return Row(
        absolute[0],
        "borrowed",
        "params",
        tuple(shape),
        str(dtype),
        (absolute[-1],),
        absolute,
        tuple(seen),
        borrows,
        origin=origin,
    )


def ledger(weights: Any) -> Ledger:
    """The ledger of a file's tensors and ties, under the file's names; names that are no paths are shown as paths.

    >>> from tenure.convert.weights import Weights, held
    >>> ledger(Weights("theirs.pt", "torch", {"wte": held([[1.0], [2.0]])}, ties={"lm_head": "wte"})).users_of("~/wte")
    ('~/wte', '~/lm_head')
    """
    clean = {name: _shown(name) for name in weights}
    owners = {clean[n]: (t.shape, str(t.dtype)) for n, t in weights.tensors.items()}
    ties = {}
    for name, text in weights.ties.items():
        kept, views = names.parse(text)
        ties[clean[name]] = " | ".join([clean[kept], *map(str, views)])
    return ledger_of(owners, ties, "file")


def _shown(name: str) -> str:
    """A file's name as a path: characters that paths do not have become underscores."""
    kept = "".join("_" if c in "|@()[],'\"*?" or c.isspace() or not c.isprintable() else c for c in name)
    segments = [segment for segment in kept.split("/") if segment]
    return "/".join(segments or ["_"])


__all__ = ["ledger", "ledger_of"]
