"""Haiku's parameters: `{module: {name: array}}`, as a pickle, which is read as data and only when asked for.

In memory they are Tenure's own form already, and as `.npz` with names such as `mlp/~/linear_0/w` they are `npz`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tenure.convert import pickles
from tenure.convert.cursor import Cursor, open_bytes, size_of
from tenure.convert.errors import FileError, damaged, name_of
from tenure.convert.trees import flattened
from tenure.convert.weights import Weights, held


def read(path: str | Path, *, allow_pickle: bool = False) -> Weights:
    """The arrays of a pickled tree of dicts, lists and tuples: numpy's and JAX's.

    The pickle is read as data: nothing that it names is imported or called.

    Args:
      path: the file.
      allow_pickle: whether to read a pickle at all.

    Raises:
      FileError: `allow_pickle` is not set, the file is damaged, or it needs more than arrays and containers.

    >>> import pickle, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "params.pkl"
    >>> path.write_bytes(pickle.dumps({"linear": {"b": np.arange(3)}})) > 0
    True
    >>> dict(read(path, allow_pickle=True))
    {'linear/b': array([0, 1, 2])}
    """
    if not allow_pickle:
        raise FileError(
            f"'{name_of(path)}' is a pickle",
            ways=["tenure convert --allow-pickle (the file is read as data, and runs no code)", "save it as .npz"],
        )
    tree = pickles.load(Cursor(path, open_bytes(path)), _BUILDERS)
    try:
        leaves = flattened(tree)
    except ValueError as error:
        raise damaged(path, "the tree", str(error)) from None
    arrays = {n: v.array if isinstance(v, _Array) else v for n, v in leaves.items()}
    return Weights(path, "haiku", {n: held(v) for n, v in arrays.items() if isinstance(v, np.ndarray)})


class _DType:
    """A dtype that is being built."""

    def __init__(self, of: Any, *_: Any):
        name = of.name.rpartition(".")[2] if isinstance(of, pickles.Named) else of
        if not isinstance(name, str) or len(name) > 20:
            raise TypeError("a dtype that is none")
        self.dtype = np.dtype(getattr(ml_dtypes, name)) if _is_ml(name) else np.dtype(name)
        if self.dtype.kind not in "biufc" and not _is_ml(name):
            raise TypeError(f"the dtype {self.dtype} is none of numbers")

    def _build(self, state: Any) -> _DType:
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")
        return self


def _is_ml(name: str) -> bool:
    return name.startswith(("bfloat16", "float8_")) and hasattr(ml_dtypes, name)


class _Array:
    """An array that is being built."""

    def __init__(self, *_: Any):
        self.array: np.ndarray | None = None

    def _build(self, state: Any) -> _Array:
        _, shape, dtype, first_fastest, data = state
        self.array = _values(data, dtype, shape, "F" if first_fastest else "C")
        return self


def _values(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if isinstance(data, str):  # protocol 2 and below: bytes as text
        data = data.encode("latin-1")
    if not isinstance(data, (bytes, bytearray)) or not isinstance(dtype, _DType) or not isinstance(shape, tuple):
        raise TypeError("an array that is none")
    if size_of(shape, dtype.dtype) != len(data):
        raise TypeError(f"an array of {shape} {dtype.dtype} in {len(data):,} bytes")
    flat = np.frombuffer(data, dtype.dtype)
    return flat.reshape(shape[::-1]).T if order == "F" else flat.reshape(shape)


def _scalar(dtype: Any, data: Any) -> np.ndarray:
    return _values(data, dtype, (), "C")


def _jax_array(function: Any, args: Any, state: Any, *_: Any) -> Any:
    return _Array()._build(state)


def _as_bytes(text: Any, encoding: Any = "latin-1") -> bytes:
    """How protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise TypeError("bytes that are none")
    return text.encode("latin-1")


_CORES = ("numpy.core", "numpy._core")
_BUILDERS: Mapping[str, Any] = {
    "numpy.dtype": _DType,
    "collections.OrderedDict": lambda pairs=(): pickles.table(pairs),
    "_codecs.encode": _as_bytes,
    "jax._src.array._reconstruct_array": _jax_array,
    **{f"{core}.multiarray._reconstruct": _Array for core in _CORES},
    **{f"{core}.multiarray.scalar": _scalar for core in _CORES},
    **{
        f"{core}.numeric._frombuffer": lambda data, dtype, shape, order: _values(data, dtype, shape, order)
        for core in _CORES
    },
    **{
        f"{module}.{name}": lambda *args: args[0] if args else {}
        for module in ("haiku._src.data_structures", "haiku.data_structures", "tenure.haiku.flat_map")
        for name in ("FlatMap", "FlatMapping", "frozendict", "to_immutable_dict")
    },
}

__all__ = ["read"]
