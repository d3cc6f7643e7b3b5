"""Keras weights in HDF5: `.h5` of Keras 2 (`model_weights`, names as `layer/kernel:0`) and `.weights.h5` of Keras 3.

A name is the data set's path, without `model_weights/` at the start. Links to other files, and values in other files, are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.convert.cursor import size_of
from tenure.convert.errors import FileError, damaged, unsupported
from tenure.convert.files import replaced
from tenure.convert.weights import Tensor, Weights

_FREE, _RATIO = 64 << 20, 1000  # bytes that any data set may unpack to, and how many times its stored size beyond
_FILTERS = {"1": "gzip", "2": "shuffle", "3": "fletcher32", "32000": "lzf", "4": "szip"}
_BROKEN = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    OverflowError,
    AttributeError,
    SystemError,
    MemoryError,
)


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise FileError(
            "HDF5 files are read with h5py, which is not installed", ways=["pip install 'tenure[convert]'"]
        ) from None
    return h5py


def read(path: str | Path) -> Weights:
    """The data sets of numbers in a file.

    Raises:
      FileError: it is damaged, or keeps values in other files.
    """
    h5py = _h5py()
    try:
        file = h5py.File(path, "r")
    except _BROKEN as error:
        raise damaged(path, "its start", f"HDF5 says: {error}") from None
    tensors: dict[str, Tensor] = {}
    try:
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            item = file[name]
            if isinstance(item, h5py.Dataset) and item.dtype.kind in "biufc":
                tensors[name.removeprefix("model_weights/")] = _tensor(path, name, item)
        about = {k: _plain(v) for k, v in file.attrs.items()}
    except FileError:
        raise
    except _BROKEN as error:
        raise damaged(path, "its groups", f"HDF5 says: {error}") from None
    return Weights(path, "keras", tensors, about={k: v for k, v in about.items() if v is not None})


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, (str, int, float)) else None


def _tensor(path: Any, name: str, item: Any) -> Tensor:
    where = f"the data set '{name[:200]}'"
    if item.external or item.is_virtual:
        raise unsupported(path, where, "values in other files")
    if unknown := [code for code in item._filters if code not in _FILTERS and code not in _FILTERS.values()]:
        raise unsupported(path, where, f"the filter {unknown[0][:40]!r}")
    shape, dtype = tuple(item.shape or ()), item.dtype.newbyteorder("=")
    size, stored = size_of(shape, dtype), item.id.get_storage_size()
    if item.shape is None or size is None or size > _FREE + _RATIO * stored:
        raise damaged(path, where, f"{stored:,} bytes are stored for the shape {shape}")
    if stored == 0 and size:
        raise damaged(path, where, "no values are stored")

    def load() -> np.ndarray:
        try:
            return np.asarray(item[()], dtype)
        except _BROKEN as error:
            raise damaged(path, where, f"HDF5 says: {error}") from None

    return Tensor(shape, dtype, load, size=stored)


def write(path: str | Path, values: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> None:
    """A file whose data sets have these names, with Keras 2's lists of layers and weights.

    Args:
      path: the file.
      values: arrays by name, such as `dense/dense/kernel:0`.
      about: attributes of the file.
    """
    h5py = _h5py()
    layers: dict[str, list[str]] = {}
    for name in values:
        layer, _, rest = name.partition("/")
        layers.setdefault(layer, []).append(rest)
    with replaced(path) as out, h5py.File(out, "w") as file:
        file.attrs.update(
            {k: v if isinstance(v, (str, int, float)) else json.dumps(v) for k, v in (about or {}).items()}
        )
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for name, value in values.items():
            file.create_dataset(name, data=np.asarray(value))
        for layer, weights in layers.items():
            if isinstance(file[layer], h5py.Group):
                file[layer].attrs["weight_names"] = [weight.encode() for weight in weights]


__all__ = ["read", "write"]
