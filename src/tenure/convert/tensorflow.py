"""TensorFlow checkpoints (format V2), read and written without TensorFlow: `NAME.index` and `NAME.data-00000-of-00001`.

The index is a sorted string table of `BundleEntryProto`, one for each tensor, after a `BundleHeaderProto` under the empty key;
the shards hold little-endian values, one tensor after the other. Source: tensorflow/core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tenure.convert import protobuf, sorted_table
from tenure.convert.crc32c import crc32c, masked
from tenure.convert.cursor import MAX_DIMS, Cursor, open_bytes, size_of
from tenure.convert.errors import damaged, unsupported, unwritable
from tenure.convert.files import replaced
from tenure.convert.protobuf import Message
from tenure.convert.weights import Tensor, Weights

_DTYPES = {
    1: np.float32,
    2: np.float64,
    3: np.int32,
    4: np.uint8,
    5: np.int16,
    6: np.int8,
    8: np.complex64,
    9: np.int64,
    10: np.bool_,
    14: ml_dtypes.bfloat16,
    17: np.uint16,
    18: np.complex128,
    19: np.float16,
    22: np.uint32,
    23: np.uint64,
}
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
_STRING = 7


def prefix_of(path: str | Path) -> str:
    """The checkpoint's name, given it or one of its files.

    >>> prefix_of("net/model.001.index"), prefix_of("net/model.001"), prefix_of("model.001.data-00000-of-00001")
    ('net/model.001', 'net/model.001', 'model.001')
    """
    text = os.fspath(path)
    head, data, tail = text.rpartition(".data-")
    if data and "/" not in tail:
        return head
    return text.removesuffix(".index").removesuffix(".meta")


def read(path: str | Path) -> Weights:
    """The variables of a checkpoint; checksums are compared when a value is read.

    Args:
      path: the checkpoint's name, without or with an ending.

    Raises:
      FileError: the checkpoint is not there, or damaged.
    """
    prefix = prefix_of(path)
    index = prefix + ".index"
    shards: dict[int, memoryview] = {}
    tensors: dict[str, Tensor] = {}
    count = 0
    for key, value in sorted_table.read(Cursor(index, open_bytes(index))):
        entry = Message(value)
        if not key:
            count = _header(index, value, entry)
            continue
        if not count:
            raise damaged(index, "the first record", "there is no header")
        try:
            name = key.decode()
        except UnicodeDecodeError:
            raise unsupported(index, f"the key {key[:40]!r}", "a part of a tensor that is stored in slices") from None
        tensor = _tensor(prefix, name, entry, count, shards)
        if tensor is not None:
            tensors[name] = tensor
    return Weights(prefix, "tensorflow", tensors)


def _header(index: str, value: Cursor, header: Message) -> int:
    if header.number(2):
        raise unsupported(index, "the header", "values in big-endian order")
    count = header.number(1)
    if not 1 <= count <= 99999:
        raise value.fail(f"the header says {count} shards")
    return count


def _tensor(prefix: str, name: str, entry: Message, count: int, shards: dict[int, memoryview]) -> Tensor | None:
    """One variable; None for one of strings, which no network has (TensorFlow's own bookkeeping)."""
    index, where = prefix + ".index", f"the tensor '{name[:200]}'"
    if entry.parts(7):
        raise unsupported(index, where, "a tensor that is stored in slices")
    code, number = entry.number(1), entry.number(3)
    offset, size = entry.signed(4), entry.signed(5)
    if code == _STRING:
        return None
    if code not in _DTYPES:
        raise unsupported(index, where, f"values of TensorFlow's type {code}")
    dtype = np.dtype(_DTYPES[code])
    shape = _shape(entry)
    if len(shape) > MAX_DIMS or size_of(shape, dtype) != size:
        raise damaged(index, where, f"{size:,} bytes cannot hold {shape} values of {dtype}")
    if not 0 <= number < count:
        raise damaged(index, where, f"the tensor is in shard {number} of {count}")
    if number not in shards:
        shards[number] = open_bytes(_shard(prefix, number, count))
    path = _shard(prefix, number, count)
    values = Cursor(path, shards[number]).span(offset, size, f"the values of '{name[:200]}'")
    checksum = entry.number(6)

    def load() -> np.ndarray:
        if masked(crc32c(values.data)) != checksum:
            raise damaged(path, where, "the checksum of its values is wrong")
        return np.frombuffer(values.data, dtype).reshape(shape)

    return Tensor(shape, dtype, load)


def _shape(entry: Message) -> tuple[int, ...]:
    parts = entry.parts(2)
    return tuple(dim.signed(1) for dim in Message(parts[-1]).messages(2)) if parts else ()


def _shard(prefix: str, number: int, count: int) -> str:
    return f"{prefix}.data-{number:05d}-of-{count:05d}"


def write(path: str | Path, values: Mapping[str, Any]) -> None:
    """A checkpoint in one shard that TensorFlow, and RETURNN, load.

    Args:
      path: the checkpoint's name, without an ending.
      values: arrays by name.

    Raises:
      FileError: an array of a dtype that TensorFlow does not have.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/model.001"
    >>> write(path, {"a/w": np.arange(3)})
    >>> dict(read(path))
    {'a/w': array([0, 1, 2])}
    """
    prefix = prefix_of(path)
    arrays = {name: np.asarray(values[name]) for name in sorted(values, key=str.encode)}
    entries = [(b"", protobuf.whole(1, 1) + protobuf.block(3, protobuf.whole(1, 1)))]
    offset = 0
    for name, array in arrays.items():
        if array.dtype not in _CODES:
            raise unwritable(prefix, name, array.dtype)
        entries.append((name.encode(), _entry(array, offset)))
        offset += array.nbytes
    with replaced(_shard(prefix, 0, 1)) as file:
        for array in arrays.values():
            file.write(array.tobytes())
    with replaced(prefix + ".index") as file:
        file.write(sorted_table.write(entries))


def _entry(array: np.ndarray, offset: int) -> bytes:
    dims = protobuf.repeated(2, [protobuf.whole(1, size) for size in array.shape])
    head = protobuf.whole(1, _CODES[array.dtype]) + protobuf.block(2, dims)
    body = protobuf.whole(4, offset) + protobuf.whole(5, array.nbytes)
    return head + body + protobuf.fixed(6, masked(crc32c(array.tobytes())))


__all__ = ["prefix_of", "read", "write"]
