"""CTranslate2's `model.bin`: variables in a row, then aliases, which say which variables are shared.

Layout: https://github.com/OpenNMT/CTranslate2, python/ctranslate2/specs/model_spec.py. Weights of 8 and 16 bits are given as
floats: the whole numbers divided by their scale.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tenure.convert.cursor import Cursor, open_bytes, size_of
from tenure.convert.errors import unsupported, unwritable
from tenure.convert.files import replaced
from tenure.convert.safetensors import parse_json
from tenure.convert.weights import Tensor, Weights

_DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16, ml_dtypes.bfloat16)
_CODES = {np.dtype(dtype): code for code, dtype in enumerate(_DTYPES)}
_VERSION = 6
_SCALE = "_scale"


def read(path: str | Path) -> Weights:
    """The variables of a model, given its folder or its `model.bin`.

    Raises:
      FileError: it is damaged, or of a version that is not read (2 to 6 are).
    """
    path = Path(path) / "model.bin" if Path(path).is_dir() else Path(path)
    cursor = Cursor(path, open_bytes(path))
    version = cursor.number("<I")
    if not 2 <= version <= _VERSION:
        raise unsupported(path, "byte 0", f"the version {version}", ["versions 2 to 6 are read"])
    about: dict[str, Any] = {"spec": _name(cursor), "revision": cursor.number("<I"), "version": version}
    about |= _config(path)
    variables: dict[str, Any] = {}
    for _ in range(cursor.number("<I")):
        name = _name(cursor)
        if name in variables:
            raise cursor.fail(f"two variables have the name '{name[:200]}'")
        variables[name] = _variable(cursor, name, version)
    ties = {}
    for _ in range(cursor.number("<I") if version >= 3 else 0):
        alias, kept = _name(cursor), _name(cursor)
        if alias in variables or alias in ties:
            raise cursor.fail(f"the alias '{alias[:200]}' is a variable, or comes twice")
        ties[alias] = kept
    if cursor.left:
        raise cursor.fail(f"{cursor.left:,} bytes follow the last alias")
    scaled = {n for n in variables if n + _SCALE in variables and variables[n].dtype in (np.int8, np.int16)}
    tensors = {
        name: _scaled(path, name, value, variables[name + _SCALE]) if name in scaled else _plain(value)
        for name, value in variables.items()
        if name.removesuffix(_SCALE) not in scaled or not name.endswith(_SCALE)
    }
    ties = {alias: kept for alias, kept in ties.items() if kept.removesuffix(_SCALE) not in scaled or kept in tensors}
    return Weights(path, "ctranslate2", tensors, ties, about)


def _name(cursor: Cursor) -> str:
    return cursor.text(cursor.number("<H"), "a name").removesuffix("\0")


def _variable(cursor: Cursor, name: str, version: int) -> np.ndarray:
    shape = tuple(cursor.number("<I") for _ in range(cursor.take(1)[0]))
    if version >= 4:
        code, size = cursor.take(1)[0], cursor.number("<I")
    else:
        item, count = cursor.take(1)[0], cursor.number("<I")
        code, size = {4: 0, 1: 1, 2: 2}.get(item, 255), item * count
    if code >= len(_DTYPES):
        raise cursor.fail(f"'{name[:200]}' has the dtype {code}")
    if size_of(shape, _DTYPES[code]) != size:
        raise cursor.fail(f"'{name[:200]}' has {size:,} bytes for {shape} values of {np.dtype(_DTYPES[code])}")
    return cursor.array(shape, _DTYPES[code], f"'{name[:200]}'")


def _plain(value: np.ndarray) -> Tensor:
    return Tensor(value.shape, value.dtype, lambda: value)


def _scaled(path: Path, name: str, value: np.ndarray, scale: np.ndarray) -> Tensor:
    if scale.dtype != np.float32 or scale.shape not in ((), (1,), value.shape[:1]):
        raise unsupported(path, f"'{name[:200]}'", f"a scale of {scale.shape} {scale.dtype} for {value.shape}")

    def load() -> np.ndarray:
        rows = scale.reshape((-1,) + (1,) * (value.ndim - 1)) if scale.size > 1 else scale.reshape(())
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return value.astype(np.float32) / rows

    return Tensor(value.shape, np.dtype(np.float32), load, str(value.dtype), value.nbytes)


def _config(path: Path) -> dict[str, Any]:
    """`config.json` beside the model."""
    file = path.parent / "config.json"
    if not file.is_file():
        return {}
    data = open_bytes(file)
    return {"config": parse_json(file, Cursor(file, data).text(len(data), "the configuration"))}


def write(
    path: str | Path,
    values: Mapping[str, Any],
    ties: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """A `model.bin` of version 6.

    Args:
      path: the file.
      values: arrays by name.
      ties: aliases, and the name that each of them stands for, without views.
      about: `spec`, the model's kind, and its `revision`.

    Raises:
      UnsupportedFileError: the format has no such dtype.
      FileError: the file cannot be written.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/model.bin"
    >>> write(path, {"a/w": np.arange(3, dtype="int32")})
    >>> dict(read(path))
    {'a/w': array([0, 1, 2], dtype=int32)}
    """
    about = about or {}
    out = bytearray(struct.pack("<I", _VERSION) + _text(about.get("spec", "")))
    out += struct.pack("<II", about.get("revision", 1), len(values))
    for name, value in values.items():
        array = np.asarray(value, order="C")
        if array.dtype not in _CODES:
            raise unwritable(path, name, array.dtype)
        out += _text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        out += struct.pack("<BI", _CODES[array.dtype], array.nbytes) + array.tobytes()
    out += struct.pack("<I", len(ties or {}))
    for alias, kept in (ties or {}).items():
        out += _text(alias) + _text(kept)
    with replaced(path) as file:
        file.write(out)
    if "config" in about:
        with replaced(Path(path).parent / "config.json") as file:
            file.write(json.dumps(about["config"]).encode())


def _text(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


__all__ = ["read", "write"]
