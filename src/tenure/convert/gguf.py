"""GGUF (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): tensors of llama.cpp, dequantised to float32.

An output projection that the file lacks is the token embedding: llama.cpp's way to tie them, by absence.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tenure.convert.cursor import Cursor, open_bytes, size_of
from tenure.convert.errors import damaged, unsupported, unwritable
from tenure.convert.files import replaced
from tenure.convert.gguf_blocks import TABLED, TYPES, tabled
from tenure.convert.weights import Tensor, Weights

MAGIC = b"GGUF"
_PLAIN = {
    0: np.float32,
    1: np.float16,
    24: np.int8,
    25: np.int16,
    26: np.int32,
    27: np.int64,
    28: np.float64,
    30: ml_dtypes.bfloat16,
}
_CODES = {np.dtype(dtype): code for code, dtype in _PLAIN.items()}
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_EMBEDDING, _OUTPUT = "token_embd.weight", "output.weight"
_ALIGNMENT = "general.alignment"
_DEPTH = 4  # of arrays of arrays


def read(path: str | Path) -> Weights:
    """The tensors of a file, with axes in numpy's order; `about` has the metadata, the vocabulary included.

    Raises:
      FileError: it is damaged, or has a type that is not read.
    """
    cursor = Cursor(path, open_bytes(path))
    if bytes(cursor.take(4, "the mark")) != MAGIC:
        raise damaged(path, "byte 0", "a GGUF file starts with 'GGUF'")
    version = cursor.number("<I")
    if version not in (2, 3):
        raise unsupported(path, "byte 4", f"the version {version}", ["versions 2 and 3, little-endian, are read"])
    count, pairs = cursor.number("<Q"), cursor.number("<Q")
    about: dict[str, Any] = {}
    for _ in range(_counted(cursor, pairs, 12)):
        key = _text(cursor)
        about[key] = _value(cursor, cursor.number("<I"))
    entries = [_entry(cursor) for _ in range(_counted(cursor, count, 24))]
    alignment = about.get(_ALIGNMENT, 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        raise damaged(path, f"'{_ALIGNMENT}'", f"it is {str(alignment)[:40]}")
    start = -(-cursor.at // alignment) * alignment
    data = cursor.span(start, len(cursor.data) - start, "the values") if entries else cursor
    tensors: dict[str, Tensor] = {}
    for name, shape, code, offset in entries:
        if name in tensors:
            raise damaged(path, f"the tensor '{name[:200]}'", "there are two of that name")
        tensors[name] = _tensor(path, name, shape, code, data, offset)
    tied = _EMBEDDING in tensors and _OUTPUT not in tensors
    return Weights(path, "gguf", tensors, {_OUTPUT: _EMBEDDING} if tied else {}, about)


def _counted(cursor: Cursor, count: int, least: int) -> int:
    """A number of records that take so many bytes each at least."""
    if count * least > cursor.left:
        raise cursor.fail(f"{count:,} records should follow in {cursor.left:,} bytes")
    return count


def _text(cursor: Cursor) -> str:
    raw = bytes(cursor.take(cursor.number("<Q"), "a text"))
    return raw.decode("utf-8", "surrogateescape")  # vocabularies hold pieces of characters


def _value(cursor: Cursor, kind: int, depth: int = 0) -> Any:
    if kind in _NUMBERS:
        return cursor.number(_NUMBERS[kind])
    if kind == _STRING:
        return _text(cursor)
    if kind != _ARRAY or depth > _DEPTH:
        raise cursor.fail(f"a value has the type {kind}")
    kind, count = cursor.number("<I"), cursor.number("<Q")
    if kind in _NUMBERS:
        size = struct.calcsize(_NUMBERS[kind])
        raw = cursor.take(_counted(cursor, count, size) * size, "an array")
        return np.frombuffer(raw, _NUMBERS[kind]).tolist()
    return [_value(cursor, kind, depth + 1) for _ in range(_counted(cursor, count, 8))]


def _entry(cursor: Cursor) -> tuple[str, tuple[int, ...], int, int]:
    name, axes = _text(cursor), cursor.number("<I")
    shape = tuple(cursor.number("<Q") for _ in range(_counted(cursor, axes, 8)))
    return name, shape[::-1], cursor.number("<I"), cursor.number("<Q")


def _tensor(path: Any, name: str, shape: tuple[int, ...], code: int, data: Cursor, offset: int) -> Tensor:
    where = f"the tensor '{name[:200]}'"
    if size_of(shape, np.float32) is None:
        raise damaged(path, where, f"its shape is {shape}")
    if code in _PLAIN:
        dtype = np.dtype(_PLAIN[code])
        values = data.span(offset, size_of(shape, dtype) or 0, where)
        return Tensor(shape, dtype, lambda: np.frombuffer(values.data, dtype).reshape(shape))
    if code in TYPES:
        kind, (block, size, floats) = TYPES[code]
    elif code in TABLED:
        kind, block, size = TABLED[code]
        floats = tabled(code)
        if floats is None:
            raise unsupported(path, where, f"values of the type {kind}", ["pip install gguf, which has its tables"])
    else:
        raise unsupported(path, where, f"values of GGUF's type {code}")
    if not shape or shape[-1] % block:
        raise damaged(path, where, f"rows of {kind} have a multiple of {block} values, and its shape is {shape}")
    stored = data.span(offset, math.prod(shape) // block * size, where)
    blocks = np.frombuffer(stored.data, np.uint8).reshape(-1, size)

    def load() -> np.ndarray:
        with np.errstate(invalid="ignore", over="ignore"):
            return floats(blocks).reshape(shape)

    return Tensor(shape, np.dtype(np.float32), load, kind, blocks.nbytes)


def write(path: str | Path, values: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> None:
    """A file of version 3 with values that are not quantised.

    Args:
      path: the file.
      values: arrays by name; the output projection is left out where it is the embedding.
      about: metadata: texts, truth values, numbers, and lists of these.

    Raises:
      UnsupportedFileError: the format has no such dtype.
      FileError: the file cannot be written.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.gguf"
    >>> write(path, {"a/w": np.arange(3)})
    >>> dict(read(path))
    {'a/w': array([0, 1, 2])}
    """
    arrays = {name: np.asarray(value, order="C") for name, value in values.items()}
    about = {key: value for key, value in (about or {}).items() if key != _ALIGNMENT}
    out = bytearray(MAGIC + struct.pack("<IQQ", 3, len(arrays), len(about)))
    for key, value in about.items():
        out += _encoded_text(key) + _encoded(value)
    offset = 0
    for name, array in arrays.items():
        if array.dtype not in _CODES:
            raise unwritable(path, name, array.dtype)
        out += _encoded_text(name) + struct.pack(f"<I{array.ndim}Q", array.ndim, *array.shape[::-1])
        out += struct.pack("<IQ", _CODES[array.dtype], offset)
        offset += -(-array.nbytes // 32) * 32
    with replaced(path) as file:
        file.write(out + b"\0" * (-len(out) % 32))
        for array in arrays.values():
            file.write(array.tobytes() + b"\0" * (-array.nbytes % 32))


def _encoded_text(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    return struct.pack("<Q", len(raw)) + raw


def _encoded(value: Any) -> bytes:
    kind, raw = _typed(value)
    return struct.pack("<I", kind) + raw


def _typed(value: Any) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return (4, struct.pack("<I", value)) if 0 <= value < 2**32 else (11, struct.pack("<q", value))
    if isinstance(value, float):
        return 12, struct.pack("<d", value)
    if isinstance(value, str):
        return _STRING, _encoded_text(value)
    items = [_typed(item) for item in value]
    kind = items[0][0] if items else 4
    if any(k != kind for k, _ in items):
        items = [(11, struct.pack("<q", item)) for item in value]
        kind = 11
    return _ARRAY, struct.pack("<IQ", kind, len(items)) + b"".join(raw for _, raw in items)


__all__ = ["MAGIC", "read", "write"]
