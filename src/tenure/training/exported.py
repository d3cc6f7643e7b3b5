"""Networks that `tenure export` wrote: one file with the program, the weights, and what goes in and comes out.

The program is JAX's own (`jax.export`), for any number of sequences of any length; neither the config nor the network's code is needed.
A program computes, and does nothing else; all else in the file is read as data.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.errors import TrainingError

FORMAT = 1
ABOUT, PROGRAM, WEIGHTS = "about.json", "program.bin", "weights.safetensors"
_LARGEST = 64 << 20  # bytes of the description


@dataclass(frozen=True)
class Input:
    """An input of the network.

    Attributes:
      shape: of its array: "rows", "time" for what any batch may have, and sizes.
      dtype: of its array.
      lengths: whether the lengths of the sequences are wanted beside the array.
      labels: how many labels there are; None for what is no label.
    """

    shape: tuple[str | int, ...]
    dtype: str
    lengths: bool
    labels: int | None = None


@dataclass(frozen=True)
class Output:
    """What one layer gives.

    Attributes:
      data: [rows, …]; of sequences [rows, time, …], where what is beyond the lengths has no meaning. Hypotheses that were not decided
        on are the axis after these.
      lengths: [rows] of sequences; None of others.
    """

    data: np.ndarray
    lengths: np.ndarray | None

    def rows(self) -> list[np.ndarray]:
        """The arrays of the sequences, each as long as it is.

        >>> [row.tolist() for row in Output(np.array([[1, 2], [3, 0]]), np.array([2, 1])).rows()]
        [[1, 2], [3]]
        """
        if self.lengths is None:
            return list(self.data)
        return [row[:n] for row, n in zip(self.data, self.lengths, strict=True)]


class Exported:
    """A network that was exported.

    Attributes:
      inputs: by key.
      outputs: names of the layers whose outputs it gives.
      labels: names of the labels of a layer's output, by layer, where they are known.
      about: epoch, model, and versions that it was made with.
    """

    def __init__(self, program: Any, weights: list[np.ndarray], told: Mapping[str, Any]):
        """What `load_exported` read.

        Args:
          program: of `jax.export`.
          weights: the arrays that it takes before the inputs.
          told: what the file says of inputs, outputs and labels.
        """
        self._program, self._weights = program, weights
        self.inputs = {
            key: Input(tuple(of["shape"]), of["dtype"], of["lengths"], of["labels"])
            for key, of in told["inputs"].items()
        }
        self.outputs = tuple(told["outputs"])
        self.labels: dict[str, list[str]] = told["labels"]
        self.about: dict[str, Any] = told["about"]

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Output]:
        """Runs the network.

        Args:
          batch: key → array [rows, time, …], or (array, lengths [rows]) if not all sequences are as long as the array.

        Returns:
          The output of each layer.

        Raises:
          TrainingError: an input is missing, or has another shape.
        """
        fed = [self._fed(key, batch) for key in self.inputs]
        rows = {len(array) for array, _ in fed}
        if len(rows) > 1:
            raise TrainingError(f"the inputs have {', '.join(map(str, sorted(rows)))} rows, and should have as many")
        leaves = [leaf for array, lengths in fed for leaf in (array, lengths) if leaf is not None]
        found = self._program.call(self._weights, leaves)
        return {
            name: Output(np.asarray(data), None if lengths is None else np.asarray(lengths))
            for name, (data, lengths) in zip(self.outputs, found, strict=True)
        }

    def _fed(self, key: str, batch: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray | None]:
        for name in batch:
            if name not in self.inputs:
                raise TrainingError(
                    f"there is no input {name!r}", near=nearest(name, self.inputs), ways=list(self.inputs)
                )
        if key not in batch:
            raise TrainingError(
                f"the input {key!r} is missing", ways=[f"an array of the shape {list(self.inputs[key].shape)}"]
            )
        of, given = self.inputs[key], batch[key]
        array, lengths = given if isinstance(given, tuple) else (given, None)
        array = np.asarray(array)
        wanted = np.dtype(of.dtype)
        if array.dtype != wanted and not np.can_cast(array.dtype, wanted, "same_kind"):
            raise TrainingError(f"the input {key!r} is {array.dtype}, and not {of.dtype}")
        fits = array.ndim == len(of.shape) and all(
            isinstance(d, str) or d == n for d, n in zip(of.shape, array.shape, strict=True)
        )
        if not fits:
            raise TrainingError(f"the input {key!r} has the shape {array.shape}, and not {list(of.shape)}")
        if of.labels is not None and array.size and not 0 <= array.min() <= array.max() < of.labels:
            raise TrainingError(f"the input {key!r} has labels that are not in 0 … {of.labels - 1}")
        if not of.lengths:
            return array.astype(wanted), None
        counts = np.full(len(array), array.shape[1], np.int32) if lengths is None else np.asarray(lengths, np.int32)
        if counts.shape != (len(array),) or (counts.size and not 0 <= counts.min() <= counts.max() <= array.shape[1]):
            raise TrainingError(f"the input {key!r} has lengths that do not fit: {brief(counts.tolist())}")
        return array.astype(wanted), counts

    def __repr__(self) -> str:
        return f"Exported({', '.join(self.inputs)} → {', '.join(self.outputs)})"


def load_exported(path: str | Path) -> Exported:
    """Reads a network that `tenure export` wrote, with JAX, safetensors and FlatBuffers alone.

    Args:
      path: of the file.

    Returns:
      The network: call it with a batch.

    Raises:
      TrainingError: the file is missing or damaged, or was made by another version.
    """
    path = Path(path)
    if not path.is_file():
        others = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise TrainingError(f"there is no file '{path}'", near=nearest(path.name, others))
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(ABOUT).file_size > _LARGEST:
                raise ValueError("its description is too large")
            told = json.loads(archive.read(ABOUT))
            if told.get("format") != FORMAT:
                raise ValueError(f"its format is {told.get('format')!r}, and {FORMAT} is known")
            program, weights = archive.read(PROGRAM), archive.read(WEIGHTS)
    except (zipfile.BadZipFile, KeyError, ValueError, AttributeError) as error:
        raise TrainingError(
            f"'{path}' is no network that was exported: {error}", ways=["tenure export CONFIG"]
        ) from None
    return Exported(_program(program), _arrays(weights, told, path), told)


def _program(content: bytes) -> Any:
    try:
        from jax import export

        return export.deserialize(bytearray(content))
    except ImportError:
        raise TrainingError(
            "reading a program needs the package flatbuffers, which is not installed",
            ways=["pip install 'tenure[export]'"],
        ) from None


def _arrays(content: bytes, told: Mapping[str, Any], path: Path) -> list[np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.flax import load

    try:
        found = load(content)
        return [jax.device_get(found[name]) for name in told["weights"]]
    except (SafetensorError, KeyError) as error:
        raise TrainingError(f"the weights of '{path}' cannot be read: {error}") from None
