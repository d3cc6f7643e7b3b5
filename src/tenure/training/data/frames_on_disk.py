"""The frames of one stream of an HDF file, read sequence by sequence.

Where the file keeps them as one row of bytes (nothing compressed, no chunks), they are read without the HDF5 library, which takes
longer to find them than the disk, and one thread at a time.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from tenure.training.errors import DataSetError


class Frames:
    """The frames of a stream.

    Args:
      array: of the opened file, [frames, …].

    Raises:
      DataSetError: when frames are read, the file has been cut off.

    >>> import h5py, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, h5py.File(f"{folder}/a.hdf", "w") as file:
    ...     file["inputs"] = np.arange(10)
    ...     file.flush()
    ...     Frames(file["inputs"])[2:4].tolist()
    [2, 3]
    """

    def __init__(self, array: Any):
        self._array, self._dtype, self._frame = array, array.dtype, tuple(array.shape[1:])
        self._at = _place(array)
        self._bytes = self._dtype.itemsize * math.prod(self._frame)
        self._length, self._handle = len(array), handle_of(array.file)
        self._size = size_of(self._handle)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> np.ndarray:
        start, end = int(part.start), int(part.stop)
        if self._at is None or not 0 <= start <= end <= self._length:
            found = self._array[start:end]  # which has zeros where the file has been cut off
            if size_of(self._handle) < self._size:
                raise self._cut()
            return found
        file, at = self._at
        found = np.empty((end - start, *self._frame), self._dtype)
        if found.nbytes and os.preadv(file, [found.data], at + start * self._bytes) != found.nbytes:
            raise self._cut()
        return found

    def _cut(self) -> DataSetError:
        return DataSetError(f"HDF file '{self._array.file.filename}' is shorter than it was when it was opened")


def handle_of(file: Any) -> int | None:
    """The handle of an opened HDF file; None if it is none of the file system."""
    return int(file.id.get_vfd_handle()) if file.driver == "sec2" else None


def size_of(handle: int | None) -> int:
    """Bytes of a file; 0 if there is none."""
    return 0 if handle is None else os.fstat(handle).st_size


def _place(array: Any) -> tuple[int, int] | None:
    """The file that an array is in, and where its bytes begin there; None where they are not there as numpy has them."""
    import h5py

    plain = array.dtype.kind in "iuf" and array.id.get_type() == h5py.h5t.py_create(array.dtype)
    alone = (
        array.file.driver == "sec2" and not array.file.userblock_size and not array.external and not array.is_virtual
    )
    if (
        not (plain and alone and hasattr(os, "preadv"))
        or array.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS
    ):
        return None
    offset = array.id.get_offset()
    return None if offset is None else (int(array.file.id.get_vfd_handle()), int(offset))
