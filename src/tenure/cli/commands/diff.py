"""`tenure diff A B`: which tensors and ties of two files differ, and by how much."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from tenure.cli import files

HELP = "show what differs between two files of weights, and by how much"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    files.reading(parser, "first", "second")
    files.mapping(parser)
    parser.add_argument(
        "--tolerance", type=_distance, default=0.0, metavar="T", help="the largest |Δ| that is no difference"
    )


def _distance(text: str) -> float:
    """A number that a difference can be compared with; NaN would make all files equal."""
    value = float(text)
    if not value >= 0:
        raise ValueError(text)
    return value


_distance.__name__ = "distance"  # argparse says: invalid distance value


def run(given: argparse.Namespace) -> int:
    """Compares; returns 0 if nothing differs, 1 if something does."""
    from tenure import convert

    first, second = files.read(given.first, given), files.read(given.second, given)
    rules = files.rules(given)
    if rules is not None:  # names of the first file → names of the second
        first = convert.apply(first, rules)
    found = list(differences(first, second, given.tolerance))
    for line in found:
        print(line)
    count = len(set(first) | set(second))
    print(f"{len(found)} differences in {count} names" if found else f"no difference in {count} names")
    return 1 if found else 0


def differences(first: Any, second: Any, tolerance: float = 0.0) -> Iterator[str]:
    """One line for each name that differs.

    Args:
      first, second: weights.
      tolerance: the largest |Δ| that is no difference.
    """
    for name in dict.fromkeys([*first, *second]):
        if name not in second:
            yield f"- {name}  {first.shape(name)}  only in the first"
        elif name not in first:
            yield f"+ {name}  {second.shape(name)}  only in the second"
        else:
            yield from _values(name, first, second, tolerance)
            yield from _ties(name, first, second)


def _values(name: str, first: Any, second: Any, tolerance: float) -> Iterator[str]:
    import numpy as np

    if first.shape(name) != second.shape(name):
        yield f"≠ {name}  {first.shape(name)} and {second.shape(name)}"
        return
    a, b = first[name], second[name]
    kinds = f"{a.dtype} and {b.dtype}" if a.dtype != b.dtype else ""
    wide = np.complex128 if a.dtype.kind == "c" or b.dtype.kind == "c" else np.float64
    x, y = np.asarray(a, wide), np.asarray(b, wide)
    with np.errstate(invalid="ignore", over="ignore"):
        delta = np.abs(x - y)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":  # beyond 2**53 floats are too coarse
        far = np.array(a, object) - np.array(b, object) if (same & (a != b)).any() else delta
        delta, same = np.abs(far).astype(np.float64), a == b
    delta = np.where(same, 0.0, np.where(np.isnan(delta), np.inf, delta))
    apart = int((delta > tolerance).sum())
    if apart:
        scale = float(np.abs(y[np.isfinite(y)]).max(initial=0.0))
        far = f"max|Δ| {delta.max():.3g} (values up to {scale:.3g}), {apart:,} of {delta.size:,} values"
        yield f"≠ {name}  {tuple(a.shape)}  {far}{f', {kinds}' if kinds else ''}"
    elif kinds:
        yield f"≠ {name}  {tuple(a.shape)}  {kinds}, equal values"


def _ties(name: str, first: Any, second: Any) -> Iterator[str]:
    ends = [_end(weights, name) for weights in (first, second)]
    if ends[0] != ends[1]:
        yield f"≠ {name}  {ends[0] or 'no tie'} in the first, {ends[1] or 'no tie'} in the second"


def _end(weights: Any, name: str) -> str:
    if name not in weights.ties:
        return ""
    return " | ".join([f"tied to {weights.owner(name)}", *map(str, weights.views(name))])
