"""Outputs of a network as arrays of single sequences, and the files that they are written to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tenure.network.tensor import Tensor
from tenure.training.errors import TrainingError


def rows(x: Tensor) -> list[np.ndarray]:
    """The arrays of the sequences of a batch, time first, without what is beyond their ends."""
    array = np.asarray(x.data)
    axis = next(i for i, d in enumerate(x.dims) if d.is_batch)
    array = np.moveaxis(array, axis, 0)
    rest = [d for i, d in enumerate(x.dims) if i != axis]
    time = next((i for i, d in enumerate(rest) if d.is_dynamic), None)
    if time is None:
        return list(array)
    array = np.moveaxis(array, time + 1, 1)
    lengths = next((np.asarray(n.data) for d, n in x.lengths.items() if d == rest[time]), None)
    if lengths is None:
        lengths = np.full(len(array), array.shape[1])
    return [row[:n] for row, n in zip(array, np.broadcast_to(lengths, len(array)), strict=True)]


def write_hdf(path: Path, sequences: Iterable[tuple[str, np.ndarray]], dim: int, labels: Sequence[str] = ()) -> int:
    """Writes sequences as RETURNN's HDFDataset reads them; returns how many.

    Args:
      path: of the file; written under another name first.
      sequences: tags and arrays.
      dim: the size of a frame.
      labels: of its entries.
    """
    import h5py

    tags, arrays = [], []
    for tag, array in sequences:
        tags.append(tag)
        arrays.append(np.asarray(array))
    if not arrays:
        raise TrainingError(f"there is nothing to write to {str(path)!r}")
    frames = np.concatenate(arrays)
    temporary = path.with_name(f".{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = h5py.special_dtype(vlen=bytes)
    with h5py.File(temporary, "w") as file:
        lengths = np.array([[len(a), 0] for a in arrays], np.int32)
        file.create_dataset("inputs", data=frames)
        file.create_dataset("seqLengths", data=lengths)
        file.create_dataset("seqTags", data=np.array([t.encode() for t in tags], dtype=object), dtype=text)
        file.create_dataset(
            "labels", data=np.array([label.encode() for label in labels], dtype="S5" if not labels else None)
        )
        numbers = {
            "inputPattSize": dim,
            "numDims": 1,
            "numLabels": dim,
            "numSeqs": len(tags),
            "numTimesteps": len(frames),
        }
        file.attrs.update(numbers)
    temporary.replace(path)
    return len(tags)


def dictionary(value: Any) -> str:
    """A dictionary with an entry in each line, as RETURNN writes it.

    >>> dictionary({"a": [1, 2]})
    "{\\n'a': [\\n1,\\n2,\\n],\\n}"
    """
    if isinstance(value, Numbers):
        return repr(dict(value))
    if isinstance(value, Mapping):
        return "{\n" + "".join(f"{k!r}: {dictionary(v)},\n" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + "".join(f"{dictionary(v)},\n" for v in value) + "]"
    return repr(value)


class Numbers(dict):
    """Numbers by name, which are written in one line."""
