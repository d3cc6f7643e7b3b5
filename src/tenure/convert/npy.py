"""Numpy's array format (NEP 1): a header that says shape and dtype, then the values. Arrays of objects are refused."""

from __future__ import annotations

import ast
import io
from typing import Any

import ml_dtypes
import numpy as np

from tenure.convert.cursor import Cursor, size_of
from tenure.convert.errors import unsupported

MAGIC = b"\x93NUMPY"
_LONGEST = 1 << 16  # bytes of a header


class _NoNumbers(ValueError):
    """The array is well written, and none of numbers."""


def header(cursor: Cursor) -> tuple[tuple[int, ...], np.dtype, bool]:
    """Shape, dtype, and whether the first axis runs fastest; the cursor is at the values then.

    Raises:
      DamagedFileError: it is no header.
      UnsupportedFileError: the array is none of numbers.
    """
    if bytes(cursor.take(6, "the mark of an array")) != MAGIC:
        raise cursor.fail("an array in numpy's format does not start here")
    major, _ = cursor.take(2)
    if major not in (1, 2, 3):
        raise cursor.fail(f"numpy's format has no version {major}")
    size = cursor.number("<H" if major == 1 else "<I")
    if size > _LONGEST:
        raise cursor.fail(f"the header should have {size:,} bytes")
    raw = bytes(cursor.take(size, "the header"))
    try:
        fields = ast.literal_eval(raw.decode("utf-8" if major == 3 else "latin-1").strip())
        shape, order, dtype = fields["shape"], fields["fortran_order"], _dtype(fields["descr"])
    except _NoNumbers as error:
        raise unsupported(
            cursor.path, f"byte {cursor.base:,}", str(error), ["write the file again with arrays of numbers only"]
        ) from None
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise cursor.fail(f"the header cannot be read: {error}") from None
    if not isinstance(shape, tuple) or size_of(shape, dtype) is None or not isinstance(order, bool):
        raise cursor.fail(f"the header says the shape {str(shape)[:80]} and the order {str(order)[:20]}")
    return shape, dtype, order


def _dtype(description: Any) -> np.dtype:
    """The dtype of numbers that a header names; two bytes of no type are what numpy makes of bfloat16."""
    if not isinstance(description, str) or len(description) > 10:
        fields = isinstance(description, list) and description and all(isinstance(f, tuple) for f in description)
        raise (_NoNumbers if fields else ValueError)("an array whose items have several fields")
    dtype = np.dtype(description)
    if dtype == np.dtype("V2"):
        return np.dtype(ml_dtypes.bfloat16)
    if dtype.kind not in "biufc":
        kind = {"U": "text", "S": "bytes", "O": "Python objects", "M": "dates", "m": "durations"}.get(dtype.kind)
        raise _NoNumbers(f"an array of {kind or 'raw bytes'} ({description}), not of numbers")
    return dtype


def values(cursor: Cursor, shape: tuple[int, ...], dtype: np.dtype, first_fastest: bool, what: str) -> np.ndarray:
    """The array after a header."""
    array = cursor.array(shape[::-1] if first_fastest else shape, dtype, what)
    return array.T if first_fastest else array


def read(cursor: Cursor, what: str) -> np.ndarray:
    """The array that starts at the cursor."""
    return values(cursor, *header(cursor), what)


def encode(array: np.ndarray) -> bytes:
    """An array in numpy's format.

    >>> read(Cursor("x", encode(np.arange(3))), "x").tolist()
    [0, 1, 2]
    """
    file = io.BytesIO()
    plain = np.asarray(array, order="C")
    np.lib.format.write_array(
        file, plain.view("V2") if plain.dtype == ml_dtypes.bfloat16 else plain, allow_pickle=False
    )
    return file.getvalue()


__all__ = ["MAGIC", "encode", "header", "read", "values"]
