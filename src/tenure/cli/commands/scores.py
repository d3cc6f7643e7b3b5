"""`tenure scores DIR`: learning rates and scores of each epoch, as a table and as curves in the terminal."""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tenure.cli.plots import plot

HELP = "show the scores of a training: a table, and curves in the terminal"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("path", type=Path, metavar="DIR", help="folder of a training, or its learning-rate file")
    parser.add_argument("--key", action="append", default=[], metavar="GLOB", help="only scores such as 'dev_*'")
    parser.add_argument("--no-plot", action="store_true", help="the table only")
    parser.add_argument("--json", action="store_true", help="for programs: all scores of all epochs")


def run(given: argparse.Namespace) -> int:
    """Shows the scores."""
    from tenure.training.rates.existing import epochs_in

    epochs = epochs_in(given.path)
    if given.json:
        print(json.dumps(data(epochs), indent=1))
        return 0
    curves = numbers(epochs, given.key)
    print("\n".join(table(epochs, curves)))
    if not given.no_plot:
        width = shutil.get_terminal_size((100, 24)).columns
        for curve in plots(curves, width):
            print("\n".join(["", *curve]))
    return 0


def data(epochs: Mapping[int, Any]) -> dict[str, Any]:
    """All of it as JSON holds it: numbers that are none, such as NaN, are null."""
    return {
        str(epoch): {"learning_rate": of.learning_rate, "scores": {k: _plain(v) for k, v in of.scores.items()}}
        for epoch, of in sorted(epochs.items())
    }


def _plain(value: Any) -> Any:
    number = _number(value)
    if number is None:
        return str(value)
    return number if math.isfinite(number) else None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def numbers(epochs: Mapping[int, Any], globs: Sequence[str] = ()) -> dict[str, dict[int, float]]:
    """The measured scores by key and epoch.

    Args:
      epochs: what is known of each.
      globs: which keys; all if there are none.
    """
    found: dict[str, dict[int, float]] = {}
    for epoch, of in sorted(epochs.items()):
        for key, value in of.measured().items():
            number = _number(value)
            if number is not None and (not globs or any(fnmatch(key, glob) for glob in globs)):
                found.setdefault(key, {})[epoch] = number
    return dict(sorted(found.items()))


def table(epochs: Mapping[int, Any], curves: Mapping[str, Mapping[int, float]]) -> list[str]:
    """A line for each epoch; the best value of each score has a star."""
    best = {key: min(filter(math.isfinite, curve.values()), default=None) for key, curve in curves.items()}
    rows = [["epoch", "learning rate", *map(_printable, curves)]]
    for epoch, of in sorted(epochs.items()):
        rate = "" if of.learning_rate is None else f"{of.learning_rate:.6g}"
        row = [str(epoch), rate]
        for key, curve in curves.items():
            star = "*" if epoch in curve and curve[epoch] == best[key] else " "
            row.append(f"{curve[epoch]:.6g}{star}" if epoch in curve else "")
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    shown = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [shown[0], "─" * max(map(len, shown)), *shown[1:], "", "* the best of its column"]


def plots(curves: Mapping[str, Mapping[int, float]], width: int) -> list[list[str]]:
    """A plot of what is a score, and one of what is an error: their sizes differ."""
    kinds: dict[str, dict[str, Mapping[int, float]]] = {}
    for key, curve in curves.items():
        _, _, kind = key.partition("_")
        kinds.setdefault(kind or key, {})[_printable(key)] = curve
    return [lines for of in kinds.values() if (lines := plot(of, width))]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)
