"""`tenure inspect FILE`: what is in a file of weights: names, shapes, ties, bytes."""

from __future__ import annotations

import argparse
import json
from typing import Any

from tenure.cli import files

HELP = "show what is in a file of weights: names, shapes, ties, bytes"
_LONGEST = 100  # characters of a fact


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    files.reading(parser, "file")
    parser.add_argument("--ledger", action="store_true", help="the tensors as a ledger: who owns, who borrows")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(given: argparse.Namespace) -> int:
    """Shows the file."""
    from tenure import convert

    weights = files.read(given.file, given)
    if given.json:
        print(json.dumps(data(weights), indent=1))
    elif given.ledger:
        print(convert.ledger(weights))
    else:
        print("\n".join(lines(weights)))
    return 0


def data(weights: Any) -> dict[str, Any]:
    """Everything about a file but the values, as JSON holds it."""
    tensors = {
        name: {"shape": list(t.shape), "dtype": str(t.dtype), "stored": t.stored or str(t.dtype), "bytes": t.nbytes}
        for name, t in weights.tensors.items()
    }
    about = {key: value for key, value in weights.about.items() if _is_plain(value)}
    return {"format": weights.format, "tensors": tensors, "ties": weights.ties, "about": about}


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def lines(weights: Any) -> list[str]:
    """The same for people: a row for each tensor, its ties below it, and the totals."""
    tied: dict[str, list[str]] = {}
    for name in weights.ties:
        tied.setdefault(weights.owner(name), []).append(name)
    rows = []
    for name, tensor in weights.tensors.items():
        kind = f"{tensor.dtype} ({tensor.stored})" if tensor.stored else str(tensor.dtype)
        rows.append((name, str(tuple(tensor.shape)), kind, files.size(tensor.nbytes)))
        for user in tied.get(name, ()):
            through = "".join(f" | {view}" for view in weights.views(user))
            rows.append((f"  ↳ {user}", str(tuple(weights.shape(user))), f"tied{through}", ""))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    shown = ["  ".join([*map(str.ljust, row[:3], widths), row[3]]).rstrip() for row in rows]
    count = sum(t.count for t in weights.tensors.values())
    size = files.size(sum(t.nbytes for t in weights.tensors.values()))
    kind = "an HDF data set" if {"inputs", "seqLengths"} <= set(weights.tensors) else weights.format
    total = f"{kind}: {count:,} values ({size}) in {len(weights.tensors)} tensors, {len(weights.ties)} tied"
    return [*shown, "", total, *_facts(weights.about)]


def _facts(about: dict[str, Any]) -> list[str]:
    found = []
    for key, value in about.items():
        if isinstance(value, list) and len(value) > 8:
            text = f"[{len(value):,} values]"
        else:
            text = str(value) if len(str(value)) <= _LONGEST else f"{str(value)[:_LONGEST]}…"
        found.append(f"  {key}: {text}".replace("\n", " ").encode("utf-8", "replace").decode())
    return found
