"""How far the values of two arrays are apart."""

from __future__ import annotations

from typing import Any

import numpy as np


def distance(a: Any, b: Any) -> float:
    """max|Δ| of two arrays that can be broadcast to each other; infinite where only one is a number. NaN is equal to NaN.

    >>> distance(np.array([1.0, np.nan]), np.array([1.5, np.nan])), distance(np.array([np.nan]), np.array([1.0]))
    (0.5, inf)
    """
    x, y = (np.asarray(v) for v in (a, b))
    if x.dtype.kind not in "fc" and x.dtype.kind not in "biu":
        x, y = x.astype(np.float32), y.astype(np.float32)  # those of ml_dtypes
    wide = np.complex128 if "c" in (x.dtype.kind, y.dtype.kind) else np.float64
    x, y = x.astype(wide), y.astype(wide)
    with np.errstate(invalid="ignore"):
        gap = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
    return float(np.max(np.where(np.isnan(gap), np.inf, gap), initial=0.0))
