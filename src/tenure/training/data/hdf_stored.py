"""Whether the values of an HDF file are in it.

A file that was cut off, or whose writer ended before all was written, may still open: the HDF5 library then gives zeros for what is
not there. So each data set is asked where its values lie, before any is read.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import Any

from tenure.training.data.frames_on_disk import handle_of, size_of
from tenure.training.errors import DataSetError

_WAYS = ("the file was cut off, or not written to its end: copy or write it again",)
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError)  # what h5py raises


@contextlib.contextmanager
def reading(path: str, what: str) -> Iterator[None]:
    """Tells what the HDF5 library says of a damaged file as an error that names the file.

    Args:
      path: of the file.
      what: is read: "'inputs'", …

    Raises:
      DataSetError: it cannot be read.
    """
    try:
        yield
    except DataSetError:
        raise
    except _DAMAGE as error:
        raise DataSetError(f"HDF file '{path}': {what} cannot be read: {error}", ways=_WAYS) from None


def check_stored(path: str, array: Any) -> None:
    """Refuses a data set of which values are not in the file, or behind its end.

    Args:
      path: of the file, for messages.
      array: the data set.

    Raises:
      DataSetError: values are missing.
    """
    import h5py

    name = array.name.lstrip("/")
    with reading(path, repr(name)):
        if array.is_virtual:
            _check_others(path, name, [source.file_name for source in array.virtual_sources()])
            return
        if array.external:
            _check_others(path, name, [file for file, _, _ in array.external])
            return
        layout = array.id.get_create_plist().get_layout()
        wanted = math.prod(array.shape or ()) if array.shape is not None else 0
        if not wanted or layout == h5py.h5d.COMPACT:
            return
        if layout == h5py.h5d.CONTIGUOUS:
            offset, stored = array.id.get_offset(), array.id.get_storage_size()
            if offset is None or stored < wanted * array.id.get_type().get_size():
                raise _missing(path, name, "no values are stored")
            end = offset + stored
        else:
            end = _end_of_chunks(path, name, array)
        handle = handle_of(array.file)
        if handle is not None and end > (size := size_of(handle)):
            raise _missing(path, name, f"its values end at byte {end:,}, and the file ends at {size:,}")


def _end_of_chunks(path: str, name: str, array: Any) -> int:
    wanted = math.prod(-(-n // c) for n, c in zip(array.shape, array.chunks, strict=True))
    count, end = 0, 0

    def look(chunk: Any) -> None:
        nonlocal count, end
        count, end = count + 1, max(end, chunk.byte_offset + chunk.size)

    array.id.chunk_iter(look)
    if count < wanted:
        raise _missing(path, name, f"{count:,} of {wanted:,} chunks are stored")
    return end


def _check_others(path: str, name: str, files: list[str]) -> None:
    """The files in which a data set has its values are named relative to it, or to the folder in which the program runs."""
    for file in dict.fromkeys(files):
        places = (os.path.join(os.path.dirname(path), file), file)
        if file != "." and "%" not in file and not any(os.path.isfile(place) for place in places):
            raise _missing(path, name, f"its values are in the file '{file}', which is not there")


def _missing(path: str, name: str, what: str) -> DataSetError:
    return DataSetError(f"HDF file '{path}': values of '{name}' are missing: {what}", ways=_WAYS)
