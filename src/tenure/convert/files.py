"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tenure.convert.errors import FileError, name_of
from tenure.core.errors import brief


@contextlib.contextmanager
def replaced(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write; it takes the place of `path` when the block ends, and leaves no trace if the block fails.

    Raises:
      FileError: the folder cannot be written to, or the disk is full.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replaced(Path(folder) / "a") as file:
    ...         _ = file.write(b"1")
    ...     os.listdir(folder)
    ['a']
    """
    temporary = temporary_name(path)
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(Path(path).parent)
    except OSError as error:
        raise FileError(
            f"'{name_of(path)}' cannot be written: {error.strerror or error}", ways=["check the folder and the disk"]
        ) from None
    finally:
        with contextlib.suppress(OSError):  # also where the folder is none: the error above says so
            os.unlink(temporary)


def check_path(path: Any) -> None:
    """Raises `FileError` for what is no path."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path) or "\0" in str(path):
        raise FileError(f"{brief(path)} is no path", ways=["name a file or a folder of weights"])


def temporary_name(path: str | Path) -> str:
    """Where a file is written before it is moved to `path`: beside it."""
    return f"{os.fspath(path)}.{os.getpid()}.tmp"


def sync_folder(folder: Path) -> None:
    """Makes sure that a folder's entries are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["check_path", "replaced", "sync_folder", "temporary_name"]
