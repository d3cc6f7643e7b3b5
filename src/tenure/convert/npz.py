"""Numpy's `.npz`: an archive of arrays. Haiku's parameters are often kept so, as `module/name`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.convert import archive, npy
from tenure.convert.errors import damaged
from tenure.convert.files import replaced
from tenure.convert.weights import Tensor, Weights

_HEADER = 70_000  # bytes in which a header fits


def read(path: str | Path, max_bytes: int | None = None) -> Weights:
    """The arrays of an `.npz`.

    Args:
      path: the file.
      max_bytes: how many bytes it may unpack to; 64 MiB and 100 times its size if None.

    Raises:
      FileError: it is damaged, or holds Python objects.
    """
    opened = archive.Archive(path, max_bytes)
    tensors = {}
    for member, info in opened.members.items():
        if not member.endswith(".npy"):
            raise damaged(path, f"the member '{member[:200]}'", "only arrays (.npy) are in an .npz")
        name = member.removesuffix(".npy")
        shape, dtype, _ = npy.header(opened.cursor(member, _HEADER))
        tensors[name] = Tensor(shape, dtype, functools.partial(_load, opened, member), size=info.compress_size)
    return Weights(path, "npz", tensors)


def _load(opened: archive.Archive, member: str) -> np.ndarray:
    cursor = opened.cursor(member)
    array = npy.read(cursor, "the values")
    if cursor.left:
        raise cursor.fail(f"{cursor.left:,} bytes follow the values")
    return array


def write(path: str | Path, values: Mapping[str, Any]) -> None:
    """An `.npz` of arrays by name.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.npz"
    >>> write(path, {"a/w": np.arange(3)})
    >>> dict(read(path))
    {'a/w': array([0, 1, 2])}
    """
    with replaced(path) as file:
        archive.write(file, {f"{name}.npy": npy.encode(np.asarray(value)) for name, value in values.items()})


__all__ = ["read", "write"]
