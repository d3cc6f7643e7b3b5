"""One safetensors file with a checksum for each tensor: written by the library, read through a memory map."""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tenure.checkpoints.errors import DamagedError, library
from tenure.checkpoints.leaves import Host
from tenure.core.errors import Party, brief

_LONGEST_HEADER = 100_000_000
_CODES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}

_PLAIN = {*_CODES.values(), "complex64", "complex128"} - {"bfloat16"}


def dtype_of(name: str) -> np.dtype:
    """A dtype of numbers by its name, those of `ml_dtypes` included.

    Raises:
      ValueError: it is the name of no such dtype.

    >>> dtype_of("bfloat16").itemsize
    2
    """
    found = getattr(ml_dtypes, name, None)
    if isinstance(found, type) and issubclass(found, np.generic):
        return np.dtype(found)
    if name not in _PLAIN:
        raise ValueError(f"no dtype {brief(name)}")
    return np.dtype(name)


def checksum(data: Any) -> str:
    """The xxh3 of bytes, or of an array's, in hexadecimal digits."""
    if isinstance(data, np.ndarray):
        data = data.reshape(-1).view(np.uint8)
    return library("xxhash", "checkpoints").xxh3_64_hexdigest(data)


def _is_coded(array: np.ndarray) -> bool:
    """Whether safetensors has a name for the dtype; bytes are written of others."""
    return array.dtype.name in _CODES.values()


def write(path: Path, tensors: Mapping[str, Host], aliases: Mapping[str, str]) -> dict[str, Any]:
    """Writes a file and flushes it to the disk.

    Args:
      path: of the file, which must not exist.
      tensors: by name.
      aliases: further names → the tensor that they stand for; kept as other tools do, in the file's `__metadata__`.

    Returns:
      What the manifest must know of the file: its size, the checksums of its header and of each tensor.
    """
    save_file = library("safetensors.numpy", "checkpoints").save_file
    with ThreadPoolExecutor(1) as beside:  # checksums are computed while the disk is written to
        sums = beside.submit(lambda: {name: checksum(host.array) for name, host in tensors.items()})
        arrays = {n: h.array if _is_coded(h.array) else h.array.reshape(-1).view(np.uint8) for n, h in tensors.items()}
        save_file(arrays, path, metadata=dict(aliases) or None)
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
            start = file.read(8)
            header = file.read(int.from_bytes(start, "little"))
        table = {
            name: [sums.result()[name], form, *([] if _is_coded(array) else [array.dtype.name, list(array.shape)])]
            for name, (array, form) in tensors.items()
        }
    return {"bytes": os.path.getsize(path), "header": checksum(start + header), "tensors": table}


class TensorFile:
    """A file that `write` wrote, read as far as it is asked for.

    Raises:
      DamagedError: size or header are not as they were written.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]):
        self.path, self._table = path, about["tensors"]
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size != about["bytes"]:
                    raise self._damaged(f"has {size:,} bytes, and was written with {about['bytes']:,}")
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as e:
            if isinstance(e, DamagedError):
                raise
            raise self._damaged(f"can not be opened: {e}") from None
        length = int.from_bytes(self._map[:8], "little")
        if length > min(size - 8, _LONGEST_HEADER) or checksum(self._map[: 8 + length]) != about["header"]:
            raise self._damaged("has a header that is not as it was written")
        self._start = 8 + length
        self._entries = self._read_header(self._map[8 : 8 + length])

    def _read_header(self, text: bytes) -> dict[str, Any]:
        try:
            entries = json.loads(text)
            entries.pop("__metadata__", None)
            if entries.keys() != self._table.keys():
                raise ValueError("other tensors than the manifest names")
            for name, entry in entries.items():
                dtype = dtype_of(_CODES[entry["dtype"]])
                start, end = entry["data_offsets"]
                sizes = entry["shape"]
                if not all(type(n) is int and n >= 0 for n in (start, end, *sizes)) or len(sizes) > 64:
                    raise ValueError(f"absurd numbers for {brief(name)}")
                if end - start != math.prod(sizes) * dtype.itemsize or self._start + end > len(self._map):
                    raise ValueError(f"offsets of {brief(name)} that do not fit its shape, or the file")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
            raise self._damaged(f"has a header that can not be read: {brief(str(e))}") from None
        return entries

    def _damaged(self, what: str) -> DamagedError:
        return DamagedError(
            f"'{self.path.name}' {what}",
            parties=[Party("file", str(self.path))],
            ways=["restore an older checkpoint; CheckpointManager does, and tells"],
        )

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    @property
    def names(self) -> list[str]:
        """The tensors' names."""
        return list(self._table)

    def spec(self, name: str) -> tuple[tuple[int, ...], np.dtype, str]:
        """Shape, dtype and form of a tensor, without reading it."""
        form, raw = self._table[name][1], self._table[name][2:]
        if raw:
            return tuple(raw[1]), dtype_of(raw[0]), form
        entry = self._entries[name]
        return tuple(entry["shape"]), dtype_of(_CODES[entry["dtype"]]), form

    def array(self, name: str, verify: bool = True) -> np.ndarray:
        """A tensor as a view of the file, which must be copied before it is kept.

        Raises:
          DamagedError: its checksum is not the one that was written.
        """
        start, end = self._entries[name]["data_offsets"]
        data = np.frombuffer(self._map, np.uint8)[self._start + start : self._start + end]
        if verify and checksum(data) != self._table[name][0]:
            raise self._damaged(f"holds '{name}' with values that are not those that were written")
        shape, dtype, _ = self.spec(name)
        if data.nbytes != math.prod(shape) * dtype.itemsize:
            raise self._damaged(f"holds '{name}', whose {data.nbytes:,} bytes are no {shape} of {dtype}")
        return data.view(dtype).reshape(shape)
