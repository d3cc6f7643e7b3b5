"""Recorded values next to ours: the places where they differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np

from tenure.core.errors import brief


@dataclass(frozen=True)
class Tolerance:
    """How far two numbers may be apart; the default is not at all."""

    rtol: float = 0.0
    atol: float = 0.0


EXACT = Tolerance()


def differences(expected: Any, found: Any, where: str = "", tolerance: Tolerance = EXACT) -> list[str]:
    """Where `found` is not as `expected`: one line for each place.

    >>> differences({"a": [1, 2.0]}, {"a": (1, 2)}), differences({"a": [1, 2]}, {"a": [1, 3]}, "x")
    ([], ['x.a[1]: 2 expected, 3 found'])
    """
    return list(_walk(expected, found, where, tolerance))


def _walk(expected: Any, found: Any, where: str, tolerance: Tolerance) -> Iterator[str]:
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in expected.keys() | found.keys():
            if key not in expected or key not in found:
                yield f"{where}.{key}: {'not expected' if key in found else 'missing'}"
            else:
                yield from _walk(expected[key], found[key], f"{where}.{key}", tolerance)
    elif isinstance(expected, np.ndarray) or isinstance(found, np.ndarray):
        yield from _arrays(np.asarray(expected), np.asarray(found), where, tolerance)
    elif isinstance(expected, list | tuple) and isinstance(found, list | tuple | range):
        if len(expected) != len(found):
            yield f"{where}: {len(expected)} items expected, {len(found)} found"
        for i, (a, b) in enumerate(zip(expected, found, strict=False)):
            yield from _walk(a, b, f"{where}[{i}]", tolerance)
    elif not _same(expected, found, tolerance):
        yield f"{where}: {brief(expected)} expected, {brief(found)} found"


def _same(expected: Any, found: Any, tolerance: Tolerance) -> bool:
    if isinstance(expected, bool) or not isinstance(expected, Number) or not isinstance(found, Number):
        return expected is found or _equal(expected, found)
    a, b = float(expected), float(found)  # type: ignore[arg-type]
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= tolerance.atol + tolerance.rtol * abs(a)


def _equal(expected: Any, found: Any) -> bool:
    try:
        return bool(expected == found)
    except Exception:  # a comparison that has no single answer
        return False


def _arrays(expected: np.ndarray, found: np.ndarray, where: str, tolerance: Tolerance) -> Iterator[str]:
    if expected.shape != found.shape:
        yield f"{where}: shape {expected.shape} expected, {found.shape} found"
    elif expected.dtype.kind in "OUS" or found.dtype.kind in "OUS":
        if expected.tolist() != found.tolist():
            yield f"{where}: {brief(expected.tolist())} expected, {brief(found.tolist())} found"
    elif expected.dtype != found.dtype:
        yield f"{where}: dtype {expected.dtype} expected, {found.dtype} found"
    elif not np.allclose(found, expected, rtol=tolerance.rtol, atol=tolerance.atol, equal_nan=True):
        far = float(np.max(np.abs(np.asarray(found, np.float64) - np.asarray(expected, np.float64))))
        yield f"{where}: values differ by up to {far:.3g}"
