"""Flax's `to_bytes`: a tree of arrays as MessagePack, with extensions for arrays, complex numbers and numpy's scalars.

Arrays beyond 1 GiB are written in pieces (`__msgpack_chunked_array__`). Names have '/' between.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tenure.convert import msgpack
from tenure.convert.cursor import Cursor, open_bytes
from tenure.convert.errors import damaged
from tenure.convert.files import replaced
from tenure.convert.trees import flattened, nested
from tenure.convert.weights import Weights, held

_ARRAY, _COMPLEX, _SCALAR = 1, 2, 3
_CHUNKED = "__msgpack_chunked_array__"
_CHUNK = 1 << 30  # bytes of one piece
_NAMED = {
    np.dtype(t).name: np.dtype(t)
    for t in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4, ml_dtypes.uint4)
}


def read(path: str | Path) -> Weights:
    """The arrays of a tree; numbers, texts and what else it holds are in `about`.

    Raises:
      FileError: it is damaged.
    """
    cursor = Cursor(path, open_bytes(path))
    tree = msgpack.decode(cursor, _extension)
    if cursor.left:
        raise cursor.fail(f"{cursor.left:,} bytes follow the tree")
    if not isinstance(tree, dict):
        raise damaged(path, "the first value", "it is not a table of names")
    try:
        leaves = flattened(_joined(path, tree))
    except ValueError as error:
        raise damaged(path, "the tree", str(error)) from None
    arrays = {name: held(leaf) for name, leaf in leaves.items() if isinstance(leaf, np.ndarray)}
    about = {n: v for n, v in leaves.items() if n not in arrays and isinstance(v, (str, int, float, bool, complex))}
    return Weights(path, "flax", arrays, about=about)


def _extension(code: int, data: Cursor) -> Any:
    if code == _COMPLEX:
        real, imaginary = _list(data, 2)
        if not isinstance(real, (int, float)) or not isinstance(imaginary, (int, float)):
            raise data.fail("a complex number is not two numbers")
        return complex(real, imaginary)
    if code not in (_ARRAY, _SCALAR):
        raise data.fail(f"the extension {code} is none of Flax")
    shape, name, values = _list(data, 3)
    if not isinstance(shape, list) or not isinstance(name, str) or not isinstance(values, Cursor):
        raise data.fail("an array is not a shape, a dtype and values")
    dtype = _dtype(data, name)
    array = values.array(shape, dtype, "an array")
    if values.left:
        raise values.fail(f"{values.left:,} bytes follow the values of {tuple(shape)} {dtype}")
    return array


def _list(data: Cursor, size: int) -> list[Any]:
    found = msgpack.decode(data, _extension)
    if not isinstance(found, list) or len(found) != size or data.left:
        raise data.fail(f"a list of {size} is needed")
    return found


def _dtype(data: Cursor, name: str) -> np.dtype:
    if name in _NAMED:
        return _NAMED[name]
    try:
        dtype = np.dtype(name if len(name) < 12 else "")
    except (TypeError, ValueError, SyntaxError):
        raise data.fail(f"there is no dtype {name[:40]!r}") from None
    if dtype.kind not in "biufc":
        raise data.fail(f"the dtype {dtype} is none of numbers")
    return dtype


def _joined(path: Any, tree: Any) -> Any:
    """The tree with arrays in pieces put together."""
    if isinstance(tree, list):
        return [_joined(path, item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if _CHUNKED not in tree:
        return {key: _joined(path, value) for key, value in tree.items()}
    try:
        shape = tuple(tree["shape"][str(i)] for i in range(len(tree["shape"])))
        pieces = [tree["chunks"][str(i)] for i in range(len(tree["chunks"]))]
        return np.concatenate([piece.reshape(-1) for piece in pieces]).reshape(shape)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, "an array in pieces", str(error)) from None


def write(path: str | Path, values: Mapping[str, Any]) -> None:
    """What `flax.serialization.from_bytes` reads: nested dicts of arrays.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.msgpack"
    >>> write(path, {"a/w": np.arange(3)})
    >>> dict(read(path))
    {'a/w': array([0, 1, 2])}
    """
    tree = nested({name: _encoded(np.asarray(value, order="C")) for name, value in values.items()})
    with replaced(path) as file:
        file.write(msgpack.encode(tree))


def _encoded(array: np.ndarray) -> Any:
    if array.nbytes <= _CHUNK:
        fields = [list(array.shape), array.dtype.name, array.tobytes()]
        return (_ARRAY, msgpack.encode(fields))
    size = max(1, _CHUNK // array.itemsize)
    pieces = [array.reshape(-1)[i : i + size] for i in range(0, array.size, size)]
    return {
        _CHUNKED: True,
        "shape": {str(i): n for i, n in enumerate(array.shape)},
        "chunks": {str(i): _encoded(piece) for i, piece in enumerate(pieces)},
    }


__all__ = ["read", "write"]
