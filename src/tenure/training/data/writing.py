"""Writing RETURNN's HDF files, sequence by sequence, so that data of any size need little memory."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tenure.training.data.base import Stream
from tenure.training.errors import DataSetError

_BUFFER = 1 << 20  # frames or bytes that are collected before they are written
_INTEGERS = ("uint8", "int16", "int32")


class _File(io.FileIO):
    """A file that keeps the first error of writing, and from then on takes everything, so that HDF5, which crashes else, can be closed.

    Attributes:
      error: what went wrong: no room, mostly; or ctrl-C.
    """

    error: BaseException | None = None

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        if self.error is None:
            try:
                if super().write(data) != size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except BaseException as error:
                self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except BaseException as error:
            self.error = self.error or error
            return size or 0


class HdfWriter:
    """A file that `HDFDataset` reads. It is written under another name, and moved into its place when all is in it.

    Args:
      path: of the file.
      streams: by name; "data" is the input, the others are targets.
      force: whether a file that is there may be replaced.

    Raises:
      DataSetError: the file is there already, there is no stream "data", or h5py is missing.
    """

    def __init__(self, path: Path, streams: Mapping[str, Stream], *, force: bool = False):
        try:
            import h5py
        except ImportError:
            raise DataSetError(f"'{path}' needs the package h5py", ways=["pip install 'tenure[train]'"]) from None
        if path.exists() and not (force and path.is_file()):
            raise DataSetError(f"'{path}' is there already", ways=["--force replaces a file", "another name"])
        if "data" not in streams:
            raise DataSetError(
                f"an HDF file needs the stream 'data', and there are {', '.join(streams) or 'none'}",
                ways=["call the input of the network 'data'"],
            )
        self.path, self.streams = path, dict(streams)
        self.sequences = self.frames = 0
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._disk = _File(self._temporary, "w+")
        except OSError as error:
            raise self._not_written(error) from None
        self._file = h5py.File(self._disk, "w")
        self._texts = h5py.special_dtype(vlen=bytes)
        self._arrays: dict[str, Any] = {}
        self._waiting: dict[str, list[np.ndarray]] = {key: [] for key in self.streams}
        self._held = 0
        self._lengths: list[list[int]] = []
        self._tags: list[bytes] = []

    def __enter__(self) -> HdfWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
            self._file.close()
            self._check_disk()
            if kind is None:
                os.fsync(self._disk.fileno())
                os.replace(self._temporary, self.path)
        finally:
            self._file.close()
            self._disk.close()
            self._temporary.unlink(missing_ok=True)

    def _not_written(self, error: OSError) -> DataSetError:
        return DataSetError(
            f"'{self.path}' cannot be written: {error.strerror or error}", ways=["make room, or name another file"]
        )

    def _check_disk(self) -> None:
        if isinstance(self._disk.error, OSError):
            raise self._not_written(self._disk.error)
        if self._disk.error is not None:
            raise self._disk.error

    def add(self, tag: str, data: Mapping[str, np.ndarray]) -> None:
        """Adds a sequence.

        Args:
          tag: its name.
          data: an array for each stream, time first; a single value is a sequence of one frame.

        Raises:
          DataSetError: a stream is missing, has frames of another shape than the first sequence, or a label that is none.
        """
        lengths = []
        for key, stream in self.streams.items():
            if key not in data:
                raise DataSetError(f"the sequence {tag!r} has no stream {key!r}")
            array = self._checked(tag, key, np.atleast_1d(data[key]), stream)
            self._waiting[key].append(array)
            self._held += array.size
            lengths.append(len(array))
        self._lengths.append(lengths)
        self._tags.append(tag.encode("utf-8"))
        self.sequences, self.frames = self.sequences + 1, self.frames + lengths[0]
        if self._held > _BUFFER:
            self._write()

    def _checked(self, tag: str, key: str, array: np.ndarray, stream: Stream) -> np.ndarray:
        first = self._waiting[key][0] if self._waiting[key] else self._arrays.get(key)
        if first is not None and array.shape[1:] != first.shape[1:]:
            raise DataSetError(
                f"the sequence {tag!r} has frames of the shape {array.shape[1:]} in the stream {key!r}, and those before "
                f"{tuple(first.shape[1:])}"
            )
        if first is not None and (array.dtype.kind == "f") != (first.dtype.kind == "f"):
            raise DataSetError(
                f"the sequence {tag!r} has {array.dtype} in the stream {key!r}, and those before {first.dtype}"
            )
        if stream.sparse and array.size and not (array.min() >= 0 and (not stream.dim or array.max() < stream.dim)):
            wrong = array.min() if array.min() < 0 else array.max()
            labels = f"which has {stream.dim} labels" if stream.dim else "and labels are not below 0"
            raise DataSetError(f"the sequence {tag!r} has the label {wrong} in the stream {key!r}, {labels}")
        if array.dtype.kind in "iub":
            if array.dtype.itemsize > 2 and array.size and not -(2**31) <= array.min() <= array.max() < 2**31:
                raise DataSetError(
                    f"the sequence {tag!r} has numbers from {array.min()} to {array.max()} in the stream {key!r}, and 32 bits are written",
                    ways=["floating-point numbers, as far as these are exact"],
                )
            return array.astype("int32") if str(array.dtype) not in _INTEGERS else array
        if array.dtype.kind == "O" and all(isinstance(value, bytes) for value in array.flat):
            return array
        if array.dtype.kind != "f":
            raise DataSetError(f"the sequence {tag!r} has no numbers in the stream {key!r}, but {array.dtype}")
        return array.astype("float32")

    def _name(self, key: str) -> str:
        return "inputs" if key == "data" else f"targets/data/{key}"

    def _write(self) -> None:
        for key, arrays in self._waiting.items():
            block = np.concatenate(arrays)
            if key not in self._arrays:
                shape, text = (None, *block.shape[1:]), self._texts if block.dtype.kind == "O" else None
                self._arrays[key] = self._file.create_dataset(
                    self._name(key), data=block, maxshape=shape, chunks=True, dtype=text
                )
            else:
                found = self._arrays[key]
                found.resize(len(found) + len(block), axis=0)
                found[-len(block) :] = block
            arrays.clear()
        self._held = 0
        self._file.flush()
        self._check_disk()

    def _finish(self) -> None:
        if not self._tags:
            raise DataSetError(f"there is nothing to write to '{self.path}'")
        if any(self._waiting.values()):
            self._write()
        columns = ["data", *sorted(key for key in self.streams if key != "data")]
        places = [list(self.streams).index(key) for key in columns]
        lengths = np.array(self._lengths, np.int32)[:, places]
        if len(columns) == 1:  # RETURNN's files have a column more
            lengths = np.pad(lengths, [(0, 0), (0, 1)])
        self._file.create_dataset("seqLengths", data=lengths)
        self._file.create_dataset("seqTags", data=np.array(self._tags, dtype=object), dtype=self._texts)
        self._label("labels", self.streams["data"])
        for key in columns[1:]:
            stream, targets = self.streams[key], self._file.require_group("targets/size")
            targets.attrs[key] = (stream.dim or self._size(key), min(self._arrays[key].ndim, 2))
            self._label(f"targets/labels/{key}", stream)
        size = self.streams["data"].dim or self._size("data")
        numbers = {"inputPattSize": size, "numDims": 1, "numLabels": size, "numSeqs": len(self._tags)}
        self._file.attrs.update({**numbers, "numTimesteps": int(lengths[:, 0].sum())})

    def _size(self, key: str) -> int:
        """The size of a frame; of whole numbers, which may be labels, one more than the greatest."""
        array = self._arrays[key]
        if array.ndim > 1:
            return int(array.shape[-1])
        return int(np.max(array[()], initial=-1)) + 1 if array.dtype.kind in "iu" else 1

    def _label(self, name: str, stream: Stream) -> None:
        labels: Sequence[str] = stream.labels or ()
        labels = () if any("\0" in label for label in labels) else labels  # HDF5 has no such texts
        encoded = np.array([label.encode("utf-8") for label in labels], dtype=object if labels else "S5")
        self._file.create_dataset(name, data=encoded, dtype=self._texts if labels else None)
