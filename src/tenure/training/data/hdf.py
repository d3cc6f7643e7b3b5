"""RETURNN's HDF files: the frames of all sequences one after the other, read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.batching.frames import Frames
from tenure.training.data.base import DataSet, Item, Stream, windowed
from tenure.training.data.frames_on_disk import Frames as FramesOnDisk
from tenure.training.data.hdf_stored import check_stored, reading
from tenure.training.errors import DataSetError


def open_hdf(path: str) -> Any:
    """Opens an HDF5 file to read.

    Raises:
      DataSetError: h5py is missing, the file is missing, or it is no HDF5 file.
    """
    try:
        import h5py
    except ImportError:
        raise DataSetError(f"'{path}' needs the package h5py", ways=["pip install 'tenure[train]'"]) from None
    file = Path(path)
    if not file.is_file():
        names = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        raise DataSetError(f"there is no HDF file '{path}'", near=nearest(file.name, names))
    try:
        return h5py.File(path, "r")
    except OSError as error:
        ways = (
            () if h5py.is_hdf5(path) else (f"tenure data hdf OUT.hdf --text data={path} writes one of lines of text",)
        )
        raise DataSetError(f"'{path}' is no HDF file, or a damaged one: {error}", ways=ways) from None


class HdfFile:
    """One file of RETURNN's format: `inputs`, `targets/data/…`, `seqLengths` (a column for each stream), `seqTags`.

    Attributes:
      path: of the file.
      streams: by name, "data" first.
      tags: of its sequences.
      lengths: [sequences, streams].

    Raises:
      DataSetError: the file is missing, damaged or cut off, or holds something else.
    """

    def __init__(self, path: str):
        self.path = str(path)
        self.file = open_hdf(self.path)
        for name in ("inputs", "seqLengths", "seqTags"):
            if name not in self.file:
                raise DataSetError(
                    f"HDF file '{path}' has no '{name}'",
                    near=nearest(name, list(self.file)),
                    ways=["files with 'streams' and 'seq_names' are for NextGenHDFDataset"],
                )
        self.tags = [text(tag) for tag in self._values("seqTags")]
        self.streams = {"data": self._input(), **{key: self._target(key) for key in self._targets()}}
        self.lengths = self._lengths()
        self.starts = np.concatenate([np.zeros((1, self.lengths.shape[1]), np.int64), np.cumsum(self.lengths, axis=0)])
        self._check_frames()

    def _values(self, name: str) -> np.ndarray:
        """All values of a data set."""
        with reading(self.path, repr(name)):
            array = self.file[name]
            check_stored(self.path, array)
            return np.atleast_1d(array[()]) if array.shape is not None else np.zeros(0, array.dtype)

    def _targets(self) -> list[str]:
        with reading(self.path, "'targets/data'"):
            return sorted(self.file["targets/data"]) if "targets/data" in self.file else []

    def _lengths(self) -> np.ndarray:
        lengths = self._values("seqLengths")
        if lengths.ndim == 1:
            lengths = np.repeat(lengths[:, None], len(self.streams), axis=1)
        if lengths.dtype.kind not in "iu" or lengths.ndim != 2 or lengths.shape[1] < len(self.streams):
            raise DataSetError(
                f"HDF file '{self.path}': seqLengths are {lengths.dtype} of the shape {lengths.shape}, and the streams "
                f"{', '.join(self.streams)} need a column each"
            )
        lengths = lengths[:, : len(self.streams)].astype(np.int64)
        if (lengths < 0).any():
            row = int((lengths < 0).any(axis=1).argmax())
            raise DataSetError(
                f"HDF file '{self.path}': seqLengths say {lengths[row].min()} frames of the sequence {self._tag(row)}"
            )
        return lengths

    def _tag(self, row: int) -> str:
        return repr(self.tags[row]) if row < len(self.tags) else f"number {row + 1}"

    def _check_frames(self) -> None:
        for column, key in enumerate(self.streams):
            frames, total = len(self._array(key)), int(self.starts[-1, column])
            if total != frames:
                raise DataSetError(
                    f"HDF file '{self.path}': seqLengths say {total} frames of '{key}', and there are {frames}"
                )
        if len(self.tags) != len(self.lengths):
            raise DataSetError(
                f"HDF file '{self.path}' has {len(self.tags)} seqTags and {len(self.lengths)} seqLengths"
            )

    def _array(self, key: str) -> Any:
        """The data set of a stream, after a look at where its values are."""
        name = "inputs" if key == "data" else f"targets/data/{key}"
        with reading(self.path, repr(name)):
            array = self.file[name]
            if not array.ndim:
                raise DataSetError(f"HDF file '{self.path}': '{name}' is a single value, and no frames")
            check_stored(self.path, array)
        return array

    @cached_property
    def _frames(self) -> dict[str, FramesOnDisk]:
        return {key: FramesOnDisk(self._array(key)) for key in self.streams}

    def _input(self) -> Stream:
        array = self._array("data")
        labels = [text(label) for label in self._values("labels")] if "labels" in self.file else []
        return _stream(array, int(self.file.attrs.get("inputPattSize", array.shape[-1])), labels)

    def _target(self, key: str) -> Stream:
        array = self._array(key)
        name = f"targets/labels/{key}"
        labels = [text(label) for label in self._values(name)] if name in self.file else []
        sizes = self.file["targets/size"].attrs if "targets/size" in self.file else {}
        size = np.atleast_1d(sizes[key])[0] if key in sizes else len(labels)
        return _stream(array, int(size), labels)

    def sequence(self, index: int) -> dict[str, np.ndarray]:
        """The arrays of one sequence."""
        found = {}
        for column, key in enumerate(self.streams):
            start, end = self.starts[index, column], self.starts[index + 1, column]
            with reading(self.path, f"the stream {key!r} of the sequence {self._tag(index)}"):
                array = self._frames[key][start:end]
            found[key] = np.array([text(v) for v in array], dtype=object) if array.dtype.kind in "OS" else array
        return found

    def frames(self, index: int) -> Frames:
        """The lengths of one sequence."""
        return Frames({key: int(n) for key, n in zip(self.streams, self.lengths[index], strict=True)})


def _stream(array: Any, dim: int, labels: Sequence[str]) -> Stream:
    sparse = array.ndim == 1 and array.dtype.kind in "iu"
    dtype = "object" if array.dtype.kind in "OS" else str(array.dtype)
    return Stream(dim, sparse, dtype, (None, *array.shape[1:]), list(labels))


def text(value: Any) -> str:
    """A text of an HDF file."""
    return value.decode("utf-8") if isinstance(value, bytes | np.bytes_) else str(value)


@dataclass
class HDFDataset(DataSet):
    """The sequences of HDF files, one file after the other.

    Args:
      files: their names.
      window: so many frames of the input are joined.
    """

    files: Sequence[str] | str = ()
    window: int = 1
    _opened: dict[int, HdfFile] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.files = [self.files] if isinstance(self.files, str) else list(self.files)
        if not self.files:
            raise DataSetError("HDFDataset: 'files' names no file")
        first = self.parts[0].streams
        for part in self.parts[1:]:
            if {k: (s.dim, s.sparse) for k, s in part.streams.items()} != {
                k: (s.dim, s.sparse) for k, s in first.items()
            }:
                raise DataSetError(
                    f"HDF files '{self.files[0]}' and '{part.path}' do not have the same streams",
                    ways=[f"{list(first)} and {list(part.streams)}", "join different files with MetaDataset"],
                )

    @cached_property
    def parts(self) -> list[HdfFile]:
        """The opened files."""
        return [HdfFile(path) for path in self.files]

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *(len(part.tags) for part in self.parts)])

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        own = dict(self.parts[0].streams)
        if self.window > 1:
            own["data"] = replace(
                own["data"], dim=own["data"].dim * self.window, shape=(None, own["data"].dim * self.window)
            )
        return own

    def count(self) -> int:
        return int(self._starts[-1])

    def _find(self, index: int) -> tuple[HdfFile, int]:
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self.parts[part], index - int(self._starts[part])

    @property
    def knows_lengths(self) -> bool:
        return True

    def load(self, index: int, epoch: int) -> Item:
        part, inside = self._find(index)
        data = part.sequence(inside)
        data["data"] = windowed(data["data"], self.window)
        return Item(part.tags[inside], data, index)

    def measure(self, index: int, epoch: int) -> Frames:
        part, inside = self._find(index)
        return part.frames(inside)

    def sort_lengths(self, epoch: int) -> np.ndarray:
        return np.concatenate([part.lengths[:, 0] for part in self.parts])

    @cached_property
    def tags(self) -> list[str]:
        return [tag for part in self.parts for tag in part.tags]

    def tag(self, index: int) -> str:
        return self.tags[index]


@dataclass
class NextGenHDFDataset(DataSet):
    """HDF files with a group for each stream, and in it an array for each sequence.

    Args:
      files: their names.
      input_stream_name: the stream that is "data" too.
    """

    files: Sequence[str] = ()
    input_stream_name: str = "features"

    @cached_property
    def _sequences(self) -> list[tuple[Any, str]]:
        found = []
        for path, file in self._opened():
            with reading(path, "'seq_names'"):
                check_stored(path, file["seq_names"])
                found += [(file, name) for name in map(text, file["seq_names"][()])]
        return found

    def _opened(self) -> Iterator[tuple[str, Any]]:
        for path in [self.files] if isinstance(self.files, str) else self.files:
            file = open_hdf(path)
            if "streams" not in file or "seq_names" not in file:
                raise DataSetError(f"HDF file '{path}' has no 'streams' and 'seq_names'", ways=["use HDFDataset"])
            if self.input_stream_name not in file["streams"]:
                raise DataSetError(
                    f"HDF file '{path}' has no stream '{self.input_stream_name}'",
                    near=nearest(self.input_stream_name, list(file["streams"])),
                )
            yield path, file

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        if not self._sequences:
            raise DataSetError(f"NextGenHDFDataset: {brief(self.files)} have no sequences")
        file = self._sequences[0][0]
        found = {}
        for key in ["data", *file["streams"]]:
            group, array = file[f"streams/{self._stream_name(key)}"], self._array(0, key)
            sparse = group.attrs.get("parser", "") in ("sparse", "segmentation_sparse")
            dim = len(group["feature_names"]) if sparse else array.shape[-1]
            found[key] = Stream(dim, sparse, str(array.dtype), (None, *array.shape[1:]))
        return found

    def _array(self, index: int, key: str) -> Any:
        """The data set of a stream of a sequence, after a look at where its values are."""
        file, name = self._sequences[index]
        where = f"streams/{self._stream_name(key)}/data/{escaped(name)}"
        with reading(file.filename, f"the stream {key!r} of the sequence {name!r}"):
            if where not in file:
                raise DataSetError(f"HDF file '{file.filename}': the sequence {name!r} has no stream {key!r}")
            check_stored(file.filename, file[where])
            return file[where]

    def _stream_name(self, key: str) -> str:
        return self.input_stream_name if key == "data" else key

    def count(self) -> int:
        return len(self._sequences)

    def tag(self, index: int) -> str:
        return self._sequences[index][1]

    def load(self, index: int, epoch: int) -> Item:
        file, name = self._sequences[index]
        arrays = {}
        for key in self.streams:
            array = self._array(index, key)
            with reading(file.filename, f"the stream {key!r} of the sequence {name!r}"):
                arrays[key] = array[()]
        return Item(name, arrays, index)


def escaped(name: str) -> str:
    """A sequence's name as the name of an array: HDF has "/" for groups."""
    return name.replace("/", "\\")
