"""Arrays of other sizes: a larger vocabulary, or one in another order."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from tenure.checkpoints.errors import ContentError
from tenure.core.errors import brief


def resized(old: Any, new: Any, rows: Any = None) -> Any:
    """The new array with the values of the old one where they overlap, or where `rows` says.

    Args:
      old, new: of as many axes.
      rows: for each row of the new array, the row of the old one that it is, or -1; None for the same index on every axis.
    """
    made = _resized(np.asarray(old), np.array(new), rows)
    return jax.numpy.asarray(made) if isinstance(new, jax.Array) else made


def _resized(old: np.ndarray, new: np.ndarray, rows: Any) -> np.ndarray:
    if rows is not None:
        index = np.asarray(rows)
        numbers = index.dtype.kind in "iu" and index.shape == new.shape[:1] and new.ndim > 0
        if not numbers or old.shape[1:] != new.shape[1:] or ((index >= len(old)) | (index < -1)).any():
            raise ContentError(
                f"{index.shape} rows of {old.shape} do not make {new.shape}: {brief(rows)}",
                ways=["one number for each row of the new array: the old row's, or -1"],
            )
        new[index >= 0] = old[index[index >= 0]]
        return new
    common = tuple(slice(0, min(a, b)) for a, b in zip(old.shape, new.shape, strict=True))
    new[common] = old[common]
    return new


__all__ = ["resized"]
