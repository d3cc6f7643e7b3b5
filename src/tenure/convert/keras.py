"""Keras weights in HDF5: `.h5` of Keras 2 (`model_weights`, names as `layer/kernel:0`) and `.weights.h5` of Keras 3.

A name is the data set's path, without `model_weights/` at the start. Links to other files, and values in other files, are
refused. The file is read by h5py in a process of its own, as the HDF5 library may crash or hang on a damaged one.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.convert.cursor import Cursor
from tenure.convert.errors import FileError, damaged, name_of, unwritable
from tenure.convert.files import replaced
from tenure.convert.safetensors import parse_json
from tenure.convert.weights import Weights, held

_SECONDS, _BYTES_A_SECOND = 10, 5 << 20  # of computing, and more for large files
_MEMORY = 4 << 30  # bytes, and more for large files
_KINDS = [
    "embeddings",
    "kernel",
    "depthwise_kernel",
    "pointwise_kernel",
    "recurrent_kernel",
    "gamma",
    "beta",
    "alpha",
    "bias",
]
_KINDS += ["moving_mean", "moving_variance"]
_PROGRAM = Path(__file__).with_name("hdf5_process.py")


def _check_h5py() -> None:
    if importlib.util.find_spec("h5py") is None:
        raise FileError("HDF5 files need h5py, which is not installed", ways=["pip install 'tenure[convert]'"])


def read(path: str | Path) -> Weights:
    """The data sets of numbers in a file.

    Raises:
      FileError: it is damaged, or keeps values in other files.
    """
    _check_h5py()
    try:
        size = Path(path).stat().st_size
        with open(path, "rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        raise FileError(f"'{name_of(path)}' cannot be read: {error}", ways=["check the path"]) from None
    cursor = Cursor(path, _answer(path, size))
    header = parse_json(path, cursor.text(cursor.number("<Q"), "the answer"))
    if "error" in header:
        raise damaged(path, *header["error"])
    tensors = {}
    for name, shape, dtype in header["arrays"]:
        tensors[name.removeprefix("model_weights/")] = held(cursor.array(tuple(shape), np.dtype(dtype), f"'{name}'"))
    return Weights(path, "keras", tensors, about=header["about"])


def _answer(path: str | Path, size: int) -> bytes:
    """What the process says that reads the file."""
    seconds = _SECONDS + size // _BYTES_A_SECOND
    command = [sys.executable, "-I", str(_PROGRAM), os.fspath(path), str(seconds), str(_MEMORY + 20 * size)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=60 + 20 * seconds)
    except subprocess.TimeoutExpired:
        raise damaged(path, "its structure", "the HDF5 library does not come to an end") from None
    if done.returncode or len(done.stdout) < 8:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        raise damaged(
            path, "its structure", f"the HDF5 library crashed, or used over {seconds} s ({done.returncode}) {last}"
        )
    return done.stdout


def write(path: str | Path, values: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> None:
    """A file whose data sets have these names; unless they are Keras 3's (`…/vars/0`), with Keras 2's lists of layers and weights.

    Keras 2 loads by position: layers in the order of `values`, and each layer's weights in the order in which Keras makes them.

    Args:
      path: the file.
      values: arrays by name, such as `dense/dense/kernel:0`.
      about: attributes of the file.

    Raises:
      UnsupportedFileError: HDF5 has no such dtype.
      FileError: h5py is not installed, or the file cannot be written.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.h5"
    >>> write(path, {"a/w": np.arange(3)})
    >>> dict(read(path))
    {'a/w': array([0, 1, 2])}
    """
    _check_h5py()
    import h5py

    layers: dict[str, list[str]] = {}
    for name, value in values.items():
        if np.asarray(value).dtype.kind not in "biufc":
            raise unwritable(path, name, np.asarray(value).dtype)
        layer, _, rest = name.partition("/")
        layers.setdefault(layer, []).append(rest)
    by_place = all("vars" in name.split("/")[:-1] for name in values)  # as Keras 3 names them
    with replaced(path) as out, h5py.File(out, "w") as file:
        file.attrs.update(
            {k: v if isinstance(v, (str, int, float)) else json.dumps(v) for k, v in (about or {}).items()}
        )
        for name, value in values.items():
            file.create_dataset(name, data=np.asarray(value))
        if by_place:
            return
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, weights in layers.items():
            if isinstance(file[layer], h5py.Group):
                file[layer].attrs["weight_names"] = [weight.encode() for weight in _as_made(weights)]


def _as_made(weights: list[str]) -> list[str]:
    """A layer's weights in the order in which Keras makes them: within each inner layer, and what is not trained last.

    >>> _as_made(["lstm/bias:0", "lstm/kernel:0", "bn/moving_mean:0", "bn/gamma:0", "own/z", "own/a"])
    ['lstm/kernel:0', 'lstm/bias:0', 'bn/gamma:0', 'own/z', 'own/a', 'bn/moving_mean:0']
    """
    inner: dict[str, list[str]] = {}
    for weight in weights:
        inner.setdefault(weight.rpartition("/")[0], []).append(weight)

    def place(weight: str) -> int:
        kind = weight.rpartition("/")[2].partition(":")[0]
        return _KINDS.index(kind) if kind in _KINDS else len(_KINDS)

    made = [weight for group in inner.values() for weight in sorted(group, key=place)]
    return sorted(made, key=lambda weight: weight.rpartition("/")[2].startswith("moving_"))


__all__ = ["read", "write"]
