"""MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md): nothing is allocated by what a length says."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from tenure.convert.cursor import Cursor

Extension = Callable[[int, Cursor], Any]
_DEPTH = 200
_NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"
}  # fmt: skip
_SIZED = {
    0xC4: ("bin", ">B"), 0xC5: ("bin", ">H"), 0xC6: ("bin", ">I"),
    0xC7: ("ext", ">B"), 0xC8: ("ext", ">H"), 0xC9: ("ext", ">I"),
    0xD9: ("str", ">B"), 0xDA: ("str", ">H"), 0xDB: ("str", ">I"),
    0xDC: ("array", ">H"), 0xDD: ("array", ">I"), 0xDE: ("map", ">H"), 0xDF: ("map", ">I"),
}  # fmt: skip
_FIXED = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


def decode(cursor: Cursor, extension: Extension, depth: int = 0) -> Any:
    """The value at the cursor; bytes and extensions are cursors.

    Args:
      cursor: where the value starts.
      extension: makes a value of an extension's code and bytes.
      depth: in how many containers the value is.

    Raises:
      DamagedFileError: there is no value.

    >>> decode(Cursor("x", encode({"a": [1, -5, 2.5, None, True]})), lambda code, data: None)
    {'a': [1, -5, 2.5, None, True]}
    """
    if depth > _DEPTH:
        raise cursor.fail(f"containers are nested more than {_DEPTH} deep")
    code = cursor.take(1, "a value")[0]
    if code < 0x80 or code >= 0xE0:
        return code if code < 0x80 else code - 256
    if code in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[code]
    if code in _NUMBERS:
        return cursor.number(_NUMBERS[code])
    kind, size = _kind(cursor, code)
    if kind == "str":
        return cursor.text(size)
    if kind == "array":
        return [decode(cursor, extension, depth + 1) for _ in _counted(cursor, size)]
    if kind == "map":
        return _map(cursor, size, extension, depth)
    number = cursor.number(">b") if kind == "ext" else 0
    start = cursor.base + cursor.at
    data = Cursor(cursor.path, cursor.take(size, "data"), base=start)
    return extension(number, data) if kind == "ext" else data


def _kind(cursor: Cursor, code: int) -> tuple[str, int]:
    if code < 0x90:
        return "map", code & 15
    if code < 0xA0:
        return "array", code & 15
    if code < 0xC0:
        return "str", code & 31
    if code in _FIXED:
        return "ext", _FIXED[code]
    if code in _SIZED:
        kind, form = _SIZED[code]
        return kind, cursor.number(form)
    raise cursor.fail(f"no value starts with {code:#x}")


def _counted(cursor: Cursor, size: int) -> range:
    """So many items, each of which takes a byte at least."""
    if size > cursor.left:
        raise cursor.fail(f"{size:,} items should follow in {cursor.left:,} bytes")
    return range(size)


def _map(cursor: Cursor, size: int, extension: Extension, depth: int) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for _ in _counted(cursor, size):
        key = decode(cursor, extension, depth + 1)
        if not isinstance(key, (str, int)) or key in found:
            raise cursor.fail("a key comes twice, or is neither text nor number")
        found[key] = decode(cursor, extension, depth + 1)
    return found


def encode(value: Any) -> bytes:
    """None, truth values, numbers, texts, bytes, lists, dicts and `(code, bytes)` as extensions."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return _int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        return _sized(0xDB, value.encode())
    if isinstance(value, bytes):
        return _sized(0xC6, value)
    if isinstance(value, dict):
        items = b"".join(encode(k) + encode(v) for k, v in value.items())
        return b"\xdf" + struct.pack(">I", len(value)) + items
    if isinstance(value, tuple):
        return b"\xc9" + struct.pack(">Ib", len(value[1]), value[0]) + value[1]
    return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(encode, value))


def _int(value: int) -> bytes:
    if -32 <= value < 128:
        return struct.pack(">b", value)
    return b"\xd3" + struct.pack(">q", value) if value < 2**63 else b"\xcf" + struct.pack(">Q", value)


def _sized(code: int, data: bytes) -> bytes:
    return bytes([code]) + struct.pack(">I", len(data)) + data


__all__ = ["decode", "encode"]
