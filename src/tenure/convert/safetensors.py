"""Safetensors (https://github.com/huggingface/safetensors): a JSON header, then the values. PyTorch's and Hugging Face's.

Shared tensors are kept once; `__metadata__` says of each other name which one it is, as `safetensors.torch.save_model` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tenure.convert.cursor import Cursor, open_bytes, size_of
from tenure.convert.errors import damaged, unsupported, unwritable
from tenure.convert.files import replaced
from tenure.convert.weights import Tensor, Weights

_DTYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "U16": np.uint16,
    "I16": np.int16,
    "U32": np.uint32,
    "I32": np.int32,
    "U64": np.uint64,
    "I64": np.int64,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "F32": np.float32,
    "F64": np.float64,
    "C64": np.complex64,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
}
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
_LONGEST = 100_000_000  # bytes of a header, as the reference implementation has it
INDEX = "model.safetensors.index.json"


def read(path: str | Path) -> Weights:
    """The tensors of a file, or of the several files that an index (`….index.json`) names.

    Raises:
      FileError: the file is not there, or damaged.
    """
    if str(path).endswith(".json"):
        return _sharded(Path(path))
    return _single(path)


def _single(path: str | Path) -> Weights:
    cursor = Cursor(path, open_bytes(path))
    size = cursor.number("<Q")
    if size > _LONGEST:
        raise cursor.fail(f"the header should have {size:,} bytes")
    text = cursor.text(size, "the header")
    data = cursor.span(cursor.at, cursor.left, "the values")
    header = parse_json(path, text)
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(v, str) for v in about.values()):
        raise damaged(path, "'__metadata__'", "it is not a table of texts")
    tensors, spans = {}, []
    for name, entry in header.items():
        tensors[name], span = _tensor(path, name, entry, data)
        spans.append(span)
    end = 0
    for start, stop in sorted(spans):
        if start != end:
            raise damaged(path, f"byte {start:,} of the values", "tensors overlap, or leave a gap")
        end = stop
    if end != len(data.data):
        raise damaged(path, f"byte {end:,} of the values", f"{len(data.data) - end:,} bytes belong to no tensor")
    ties = {name: kept for name, kept in about.items() if name not in tensors and kept in tensors and name != "format"}
    return Weights(path, "safetensors", tensors, ties, {k: v for k, v in about.items() if k not in ties})


def parse_json(path: Any, text: str) -> dict[str, Any]:
    """A JSON object without names that come twice.

    Raises:
      DamagedFileError: the text is none.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a name comes twice")
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise damaged(path, "the JSON header", str(error)) from None
    if not isinstance(found, dict):
        raise damaged(path, "the JSON header", "it is not a table")
    return found


def _tensor(path: Any, name: str, entry: Any, data: Cursor) -> tuple[Tensor, tuple[int, int]]:
    where = f"the tensor '{name[:200]}'"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise damaged(path, where, "its entry needs dtype, shape and data_offsets")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in _DTYPES:
        raise unsupported(path, where, f"values of the type {str(code)[:40]!r}")
    dtype = np.dtype(_DTYPES[code])
    if not _whole(shape) or size_of(shape, dtype) is None:
        raise damaged(path, where, f"its shape is {str(shape)[:80]}")
    if not _whole(offsets) or len(offsets) != 2 or offsets[1] - offsets[0] != size_of(shape, dtype):
        raise damaged(path, where, f"bytes {str(offsets)[:80]} cannot hold {tuple(shape)} values of {dtype}")
    part = data.span(offsets[0], offsets[1] - offsets[0], f"the values of '{name[:200]}'")
    array = np.frombuffer(part.data, dtype).reshape(shape)
    if dtype == np.bool_ and (np.frombuffer(part.data, np.uint8) > 1).any():
        raise damaged(path, where, "a truth value is neither 0 nor 1")
    return Tensor(tuple(shape), dtype, lambda: array), (offsets[0], offsets[1])


def _whole(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and n >= 0 for n in numbers)


def _sharded(path: Path) -> Weights:
    """The tensors of several files; names of files with folders in them are refused."""
    whole = open_bytes(path)
    index = parse_json(path, Cursor(path, whole).text(len(whole), "the index"))
    places = index.get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(f, str) and f == Path(f).name for f in places.values()):
        raise damaged(path, "'weight_map'", "it is not a table of names and files beside the index")
    files = {file: _single(path.parent / file) for file in dict.fromkeys(places.values())}
    tensors, ties = {}, {}
    for name, file in places.items():
        if name in files[file].tensors:
            tensors[name] = files[file].tensors[name]
        elif name not in files[file].ties:
            raise damaged(path, f"the tensor '{name[:200]}'", f"'{file}' does not hold it")
    for weights in files.values():
        ties.update({name: kept for name, kept in weights.ties.items() if kept in tensors})
    about = {k: v for weights in files.values() for k, v in weights.about.items()}
    return Weights(path, "safetensors", tensors, ties, about)


def write(
    path: str | Path,
    values: Mapping[str, Any],
    ties: Mapping[str, str] | None = None,
    about: Mapping[str, str] | None = None,
) -> None:
    """A file of arrays by name.

    Args:
      path: the file.
      values: the arrays.
      ties: further names, and the name whose array each of them is, without views.
      about: further texts for `__metadata__`; `{"format": "pt"}` makes Hugging Face's libraries take the file.

    Raises:
      UnsupportedFileError: the format has no such dtype.
      FileError: the file cannot be written.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.safetensors"
    >>> write(path, {"a/w": np.arange(3)})
    >>> dict(read(path))
    {'a/w': array([0, 1, 2])}
    """
    arrays = {name: np.asarray(value, order="C") for name, value in values.items()}
    arrays = dict(sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))
    header: dict[str, Any] = {}
    if ties or about:
        header["__metadata__"] = {**(about or {}), **(ties or {})}
    offset = 0
    for name, array in arrays.items():
        if array.dtype not in _CODES:
            raise unwritable(path, name, array.dtype)
        header[name] = {
            "dtype": _CODES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replaced(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(array.tobytes())


__all__ = ["INDEX", "parse_json", "read", "write"]
