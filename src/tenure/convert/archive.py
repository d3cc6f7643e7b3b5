"""Zip archives whose members are read whole, after what they claim has been checked."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

from tenure.convert.cursor import Cursor
from tenure.convert.errors import DamagedFileError, FileError, damaged, name_of

_FREE, _RATIO = 64 << 20, 100  # bytes that any archive may unpack to, and how many times its own size beyond
_END, _EMPTY, _LONGEST_END = b"PK\x05\x06", 22, 22 + (1 << 16)  # the mark and the sizes of the directory's end
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)


class Archive:
    """The members of a zip archive by name.

    Attributes:
      path: the file.
      members: what the archive says of each.
    """

    def __init__(self, path: str | Path, max_bytes: int | None = None):
        """Opens an archive.

        Args:
          path: the file.
          max_bytes: how many bytes it may unpack to; 64 MiB and 100 times the file's size if None.

        Raises:
          FileError: it is no archive, or would unpack to more.
        """
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            size = Path(path).stat().st_size
        except OSError as error:
            raise FileError(f"'{name_of(path)}' cannot be read: {error}", ways=["check the path"]) from None
        except _BROKEN as error:
            raise damaged(path, "the archive's directory", str(error)) from None
        self.members = {info.filename: info for info in self._zip.infolist()}
        if len(self.members) < len(self._zip.infolist()):
            raise damaged(path, "the archive's directory", "two members have one name")
        self._check_directory(size)
        total = sum(info.file_size for info in self.members.values())
        limit = _FREE + _RATIO * size if max_bytes is None else max_bytes
        if total > limit:
            raise DamagedFileError(
                f"'{name_of(path)}' has {size:,} bytes and would unpack to {total:,}, more than {limit:,}",
                ways=[f"if you trust the file:  --max-bytes {total}, or tn.convert.read(path, max_bytes={total})"],
            )
        for info in self.members.values():
            if info.compress_type not in _READABLE or info.flag_bits & 1:
                raise damaged(
                    path, f"the member '{info.filename[:200]}'", "it is encrypted, or its compression unknown"
                )
            if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
                raise damaged(path, f"the member '{info.filename[:200]}'", "its two sizes differ")

    def _check_directory(self, size: int) -> None:
        """The directory has all members: Python's module reads as many as its size says, and finds an empty one in order."""
        with open(self.path, "rb") as file:
            file.seek(max(0, size - _LONGEST_END))
            tail = file.read()
        at = tail.rfind(_END)
        count = int.from_bytes(tail[at + 10 : at + 12], "little")
        length, start = (int.from_bytes(tail[at + i : at + i + 4], "little") for i in (12, 16))
        large = count == 0xFFFF or 0xFFFFFFFF in (length, start)  # then the numbers are in a record of 64 bits
        between = max(0, size - _LONGEST_END) + at - start - length
        record = tail[max(0, at - 20) :].startswith(b"PK\x06\x07")
        if not large and (count != len(self.members) or between not in ((0, 76) if record else (0,))):
            raise damaged(
                self.path, "the archive's directory", f"{count} members, of which {len(self.members)} are found"
            )
        if not self.members and size > _EMPTY:
            raise damaged(self.path, "the archive's directory", "it has no members")

    def read(self, name: str, size: int | None = None) -> bytes:
        """A member's bytes, or the first `size` of them; the checksum is compared where all are read.

        Raises:
          DamagedFileError: the bytes are not those that the archive claims.
        """
        info = self.members[name]
        try:
            with self._zip.open(info) as member:
                data = member.read(info.file_size if size is None else size)
                if size is None and member.read(1):
                    raise ValueError("it has more bytes than the archive says")
        except (*_BROKEN, OSError, MemoryError) as error:
            raise damaged(self.path, f"the member '{name[:200]}'", str(error)) from None
        if len(data) < (info.file_size if size is None else min(size, info.file_size)):
            raise damaged(
                self.path, f"the member '{name[:200]}'", f"{info.file_size:,} bytes expected, {len(data):,} found"
            )
        return data

    def cursor(self, name: str, size: int | None = None) -> Cursor:
        """The same, as a cursor that says which member it is in."""
        return Cursor(f"{name_of(self.path)}:{name[:200]}", self.read(name, size))


def write(file: Any, members: dict[str, bytes]) -> None:
    """An archive of members that are not compressed, in their order, the same for the same members.

    Args:
      file: a binary file.
      members: name → bytes.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


__all__ = ["Archive", "write"]
