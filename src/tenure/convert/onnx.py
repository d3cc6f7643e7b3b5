"""ONNX: the initialisers of a model's graph (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). The graph is not read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tenure.convert import protobuf
from tenure.convert.cursor import Cursor, open_bytes, size_of
from tenure.convert.errors import damaged, unsupported, unwritable
from tenure.convert.files import replaced
from tenure.convert.protobuf import Message
from tenure.convert.weights import Tensor, Weights

_DTYPES = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
    12: np.uint32,
    13: np.uint64,
    14: np.complex64,
    15: np.complex128,
    16: ml_dtypes.bfloat16,
    17: ml_dtypes.float8_e4m3fn,
    19: ml_dtypes.float8_e5m2,
}
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
_STRING, _EXTERNAL = 8, 1
_GRAPH, _INITIALIZER = 7, 5
_DIMS, _TYPE, _FLOATS, _INT32S, _INT64S, _NAME, _RAW, _DOUBLES, _UINT64S, _OUTSIDE, _PLACE = (
    1,
    2,
    4,
    5,
    7,
    8,
    9,
    10,
    11,
    13,
    14,
)


def read(path: str | Path) -> Weights:
    """The initialisers of a model, those in files beside it included.

    Raises:
      FileError: it is damaged.
    """
    model = Message(Cursor(path, open_bytes(path)))
    graphs = model.messages(_GRAPH)
    if len(graphs) != 1:
        raise damaged(path, "the model", f"{len(graphs)} graphs; one is needed")
    tensors: dict[str, Tensor] = {}
    for message in graphs[0].messages(_INITIALIZER):
        name = message.text(_NAME)
        if name in tensors:
            raise damaged(path, f"the initialiser '{name[:200]}'", "there are two of that name")
        if message.number(_TYPE) != _STRING:
            tensors[name] = _tensor(Path(path), name, message)
    return Weights(path, "onnx", tensors, about={"producer": model.text(2)})


def _tensor(path: Path, name: str, message: Message) -> Tensor:
    where, code, shape = f"the initialiser '{name[:200]}'", message.number(_TYPE), tuple(message.numbers(_DIMS))
    if code not in _DTYPES:
        raise unsupported(path, where, f"values of ONNX's type {code}")
    dtype = np.dtype(_DTYPES[code])
    size = size_of(shape, dtype)
    if size is None:
        raise damaged(path, where, f"its shape is {shape}")
    data = _outside(path, where, message) if message.number(_PLACE) == _EXTERNAL else message.part(_RAW)
    if data is None:
        values = _listed(path, where, message, dtype, shape)
        return Tensor(shape, dtype, lambda: values)
    if data.left != size:
        raise damaged(path, where, f"{data.left:,} bytes for {shape} values of {dtype}")
    array = data.array(shape, dtype, where)
    return Tensor(shape, dtype, lambda: array)


def _listed(path: Path, where: str, message: Message, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Values that are in one of the message's lists of numbers."""
    if dtype.kind in "fc" and dtype.itemsize >= 4:
        double = dtype in (np.dtype(np.float64), np.dtype(np.complex128))
        flat = _floats(message, _DOUBLES if double else _FLOATS, "<f8" if double else "<f4").view(dtype)
    else:
        field = _INT64S if dtype == np.int64 else _UINT64S if dtype in (np.uint32, np.uint64) else _INT32S
        numbers = np.array(message.numbers(field), np.int64)
        narrow = dtype.kind not in "biu"  # float16 and the like, as their bits
        flat = numbers.astype(f"uint{8 * dtype.itemsize}").view(dtype) if narrow else numbers.astype(dtype)
    if flat.size != np.prod(shape, dtype=object):
        raise damaged(path, where, f"{flat.size:,} values for the shape {shape}")
    return flat.reshape(shape)


def _floats(message: Message, field: int, form: str) -> np.ndarray:
    found = []
    for value in message.fields.get(field, ()):
        if not isinstance(value, Cursor):
            found.append(np.array([value], "<u4" if form == "<f4" else "<u8").view(form))
        elif len(value.data) % np.dtype(form).itemsize:
            raise value.fail("a list of numbers ends within one")
        else:
            found.append(np.frombuffer(value.data, form))
    return np.concatenate(found) if found else np.zeros(0, form)


def _outside(path: Path, where: str, message: Message) -> Cursor:
    """Values in a file beside the model; a name that leaves the folder is refused."""
    facts = {entry.text(1): entry.text(2) for entry in message.messages(_OUTSIDE)}
    name = facts.get("location", "")
    if not name or Path(name).name != name or name in (".", ".."):
        raise damaged(path, where, f"its values are in {name[:200]!r}, which is no file beside the model")
    data = open_bytes(path.parent / name)
    try:
        offset = int(facts.get("offset", "0")[:20])
        length = int(facts["length"][:20]) if "length" in facts else len(data) - offset
    except ValueError:
        raise damaged(path, where, "the offset of its values is no number") from None
    return Cursor(path.parent / name, data).span(offset, length, where)


def write(path: str | Path, values: Mapping[str, Any]) -> None:
    """A model whose graph has these initialisers, and no nodes.

    Args:
      path: the file.
      values: arrays by name.

    Raises:
      UnsupportedFileError: the format has no such dtype.
      FileError: the file cannot be written.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.onnx"
    >>> write(path, {"a/w": np.arange(3)})
    >>> dict(read(path))
    {'a/w': array([0, 1, 2])}
    """
    messages = []
    for name, value in values.items():
        array = np.asarray(value, order="C")
        if array.dtype not in _CODES:
            raise unwritable(path, name, array.dtype)
        dims = b"".join(protobuf.varint(_DIMS << 3) + protobuf.varint(size) for size in array.shape)
        head = dims + protobuf.whole(_TYPE, _CODES[array.dtype])
        messages.append(head + protobuf.block(_NAME, name.encode()) + protobuf.block(_RAW, array.tobytes()))
    graph = protobuf.repeated(_INITIALIZER, messages) + protobuf.block(2, b"weights")
    opset = protobuf.block(8, protobuf.whole(2, 17))
    with replaced(path) as file:
        file.write(protobuf.whole(1, 8) + protobuf.block(2, b"tenure") + protobuf.block(_GRAPH, graph) + opset)


__all__ = ["read", "write"]
