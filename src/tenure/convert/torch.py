"""PyTorch's `.pt`, `.pth` and `.bin` (since 1.6): an archive of a pickle and the storages that it names. Read without torch.

A tensor is a view of a storage, so that shared tensors are seen: names whose tensors are one view of one storage are ties.
"""

from __future__ import annotations

import functools
import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tenure.convert import archive, pickles
from tenure.convert.cursor import MAX_DIMS, open_bytes, size_of
from tenure.convert.errors import damaged, unsupported, unwritable
from tenure.convert.files import replaced
from tenure.convert.trees import flattened
from tenure.convert.weights import Tensor, Weights

_STORAGES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
    "ComplexFloatStorage": np.complex64,
    "ComplexDoubleStorage": np.complex128,
}
_PARTS = {"_modules", "_parameters", "_buffers"}  # of a torch.nn.Module
_NAMES = {np.dtype(dtype): name for name, dtype in _STORAGES.items()}


@dataclass(frozen=True)
class _Storage:
    member: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class _View:
    """A tensor: where it starts in its storage, in values, and how far the next one on each axis is."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.strides)
        if not isinstance(self.storage, _Storage) or any(type(n) is not int or n < 0 for n in numbers):
            raise TypeError("a tensor that is none")
        if len(self.shape) != len(self.strides) or size_of(self.shape, self.storage.dtype) is None:
            raise TypeError(f"a tensor of shape {self.shape} with strides {self.strides}")
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if 0 not in self.shape and last >= self.storage.count:
            raise TypeError(f"a tensor that needs value {last:,} of a storage of {self.storage.count:,}")
        if len(self.shape) > MAX_DIMS or np.prod(self.shape, dtype=object) > max(1, self.storage.count):
            raise TypeError(f"a tensor of shape {self.shape} in a storage of {self.storage.count:,} values")


def read(path: str | Path, max_bytes: int | None = None) -> Weights:
    """The tensors of a state dict, of a nested one, or of a module that was saved whole, by names with dots between.

    Args:
      path: the file.
      max_bytes: how many bytes it may unpack to; 64 MiB and 100 times its size if None.

    Raises:
      FileError: it is damaged, or more than tensors, containers and numbers.
    """
    if bytes(open_bytes(path)[:2]) == b"\x80\x02":
        raise unsupported(
            path, "byte 0", "PyTorch's format from before 1.6", ["save it again with PyTorch 1.6 or later"]
        )
    opened = archive.Archive(path, max_bytes)
    found = [name for name in opened.members if name.rpartition("/")[2] == "data.pkl"]
    if len(found) != 1:
        raise damaged(path, "the archive's directory", "one 'data.pkl' is needed")
    root = found[0].removesuffix("data.pkl")
    _check_byte_order(opened, root)
    storages: dict[str, _Storage] = {}
    tree = pickles.load(
        opened.cursor(found[0]), _BUILDERS, lambda id: _storage(opened, root, id, storages), objects=True
    )
    try:
        views = {_plain_name(n): v for n, v in flattened(tree, ".").items() if isinstance(v, _View)}
    except ValueError as error:
        raise damaged(path, f"the member '{found[0]}'", str(error)) from None
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    seen: dict[_View, str] = {}
    for name, view in views.items():
        if 0 not in view.shape and view in seen:
            ties[name] = seen[view]
            continue
        seen[view] = name
        tensors[name] = Tensor(view.shape, view.storage.dtype, functools.partial(_load, opened, view))
    return Weights(path, "torch", tensors, ties)


def _plain_name(name: str) -> str:
    """The name that a state dict has: a module that was saved whole keeps its parts in dicts of its own."""
    return ".".join(part for part in name.split(".") if part not in _PARTS)


def _check_byte_order(opened: archive.Archive, root: str) -> None:
    if f"{root}byteorder" in opened.members and opened.read(f"{root}byteorder") != b"little":
        raise unsupported(opened.path, "'byteorder'", "values in big-endian order")


def _storage(opened: archive.Archive, root: str, id: Any, storages: dict[str, _Storage]) -> _Storage:
    """What `('storage', type, key, device, count)` names."""
    if not isinstance(id, tuple) or len(id) != 5 or id[0] != "storage" or not isinstance(id[1], pickles.Named):
        raise TypeError("a storage that is none")
    _, kind, key, _, count = id
    if kind.name.rpartition(".")[2] not in _STORAGES or not isinstance(key, str) or type(count) is not int:
        raise TypeError(f"a storage of {kind.name[:60]!r}")
    dtype, member = np.dtype(_STORAGES[kind.name.rpartition(".")[2]]), f"{root}data/{key}"
    if member not in opened.members or opened.members[member].file_size != count * dtype.itemsize:
        raise TypeError(f"the storage '{key[:60]}', which is not there or not of {count:,} values")
    return storages.setdefault(key, _Storage(member, dtype, count))


def _load(opened: archive.Archive, view: _View) -> np.ndarray:
    flat = opened.cursor(view.storage.member).array((view.storage.count,), view.storage.dtype, "a storage")
    if view.storage.dtype == np.bool_ and (flat.view(np.uint8) > 1).any():
        raise damaged(opened.path, f"the member '{view.storage.member}'", "a truth value is neither 0 nor 1")
    strides = tuple(s * flat.itemsize for s in view.strides)
    return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides, writeable=False)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _View:
    return _View(storage, offset, tuple(shape), tuple(strides))


_BUILDERS: pickles.Builders = {
    "collections.OrderedDict": lambda pairs=(): pickles.table(pairs),
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
    "torch.Size": lambda sizes: tuple(sizes),
    "torch.device": lambda *args: None,
    "builtins.set": lambda items=(): list(items),
    "__builtin__.set": lambda items=(): list(items),
}


def write(path: str | Path, values: Mapping[str, Any], ties: Mapping[str, str] | None = None) -> None:
    """A state dict that `torch.load(path, weights_only=True)` reads; tied names share a storage.

    Args:
      path: the file.
      values: arrays by name.
      ties: further names, and the name whose array each of them is, without views.

    Raises:
      UnsupportedFileError: PyTorch has no such dtype.
      FileError: the file cannot be written.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.pt"
    >>> write(path, {"a/w": np.arange(3)})
    >>> dict(read(path))
    {'a/w': array([0, 1, 2])}
    """
    arrays = {name: np.asarray(value, order="C") for name, value in values.items()}
    for name, array in arrays.items():
        if array.dtype not in _NAMES:
            raise unwritable(path, name, array.dtype)
    keys = {name: str(i) for i, name in enumerate(arrays)}
    kept = {name: name for name in arrays} | dict(ties or {})
    root = Path(path).stem
    members = {
        f"{root}/data.pkl": _pickle(arrays, keys, kept),
        f"{root}/byteorder": b"little",
        f"{root}/version": b"3\n",
    }
    members |= {f"{root}/data/{keys[name]}": array.tobytes() for name, array in arrays.items()}
    with replaced(path) as file:
        archive.write(file, members)


def _pickle(arrays: Mapping[str, np.ndarray], keys: Mapping[str, str], kept: Mapping[str, str]) -> bytes:
    """`{name: _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())}`, opcode by opcode."""
    out = bytearray(pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.MARK)
    for name, owner in kept.items():
        array = arrays[owner]
        strides = tuple(s // array.itemsize for s in array.strides)
        storage = _text("storage") + _global("torch", _NAMES[array.dtype]) + _text(keys[owner]) + _text("cpu")
        out += _text(name) + _global("torch._utils", "_rebuild_tensor_v2") + pickle.MARK
        out += pickle.MARK + storage + _int(array.size) + pickle.TUPLE + pickle.BINPERSID
        out += _int(0) + _ints(array.shape) + _ints(strides) + pickle.NEWFALSE
        out += _global("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.TUPLE + pickle.REDUCE
    return bytes(out + pickle.SETITEMS + pickle.STOP)


def _text(text: str) -> bytes:
    raw = text.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(raw)) + raw


def _int(value: int) -> bytes:
    return pickle.LONG1 + b"\x08" + struct.pack("<q", value)


def _ints(values: tuple[int, ...]) -> bytes:
    return pickle.MARK + b"".join(map(_int, values)) + pickle.TUPLE


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


__all__ = ["read", "write"]
