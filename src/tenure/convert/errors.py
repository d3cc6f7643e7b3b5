"""What is wrong with a foreign file, and where in the file it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from tenure.core.errors import TenureError, nearest


class FileError(TenureError):
    """A file that cannot be read or written."""


class DamagedFileError(FileError):
    """A file whose bytes contradict its format."""


class UnsupportedFileError(FileError):
    """A file, or a part of a file, of a kind that is not read."""


class UnknownTensorError(FileError):
    """A tensor that the file does not hold."""


class MapError(TenureError):
    """A rule that does not fit the tensors that it is applied to."""


def name_of(path: Any) -> str:
    """A path as messages show it: relative to the working directory where the file is below it."""
    text = os.fspath(path)
    relative = os.path.relpath(text) if os.path.isabs(text) else text
    return text if relative.startswith("..") else relative


def damaged(path: Any, where: str, what: str, ways: Sequence[str] = ()) -> DamagedFileError:
    """The error for bytes that contradict the format.

    Args:
      path: the file.
      where: the place in the file: a byte, a tensor, a record.
      what: what is wrong there.
      ways: ways out; fetching the file again if none.
    """
    return DamagedFileError(
        f"'{name_of(path)}' is damaged at {where}: {what}",
        ways=ways or ["fetch or write the file again: it was cut, changed, or is not of this format"],
    )


def unsupported(path: Any, where: str, what: str, ways: Sequence[str] = ()) -> UnsupportedFileError:
    """The error for something in a file that is not read."""
    return UnsupportedFileError(f"'{name_of(path)}' has {what} at {where}, which is not read", ways=ways)


def unwritable(path: Any, name: str, dtype: Any) -> UnsupportedFileError:
    """The error for an array that the format of a file to be written can not hold."""
    return UnsupportedFileError(
        f"'{name_of(path)}' can not be written: its format can not hold '{name}', an array of {dtype}",
        ways=["cast it by a rule:  \"name | cast('float32')\"", "write another format, such as .safetensors"],
    )


def unknown_tensor(path: Any, name: str, known: Iterable[str]) -> UnknownTensorError:
    """The error for a name that the file does not have."""
    return UnknownTensorError(
        f"'{name_of(path)}' holds no tensor '{name}'",
        near=nearest(name, known),
        ways=[f"tenure inspect {name_of(path)}"],
    )


__all__ = [
    "DamagedFileError",
    "FileError",
    "MapError",
    "UnknownTensorError",
    "UnsupportedFileError",
    "damaged",
    "name_of",
    "unknown_tensor",
    "unsupported",
    "unwritable",
]
