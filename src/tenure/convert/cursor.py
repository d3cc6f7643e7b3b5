"""A place in the bytes of a file: every read is checked against what is there."""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tenure.convert.errors import DamagedFileError, FileError, damaged, name_of

MAX_DIMS = 32


def open_bytes(path: str | Path) -> memoryview:
    """The bytes of a file, mapped into memory and not read yet.

    Raises:
      FileError: the file is not there, or cannot be opened.
    """
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            if not file.tell():
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:  # ValueError: a null byte in a name that another file gives
        said = getattr(error, "strerror", None) or error
        raise FileError(f"'{name_of(path)}' cannot be read: {said}", ways=["check the path"]) from None


class Cursor:
    """A place in some bytes of a file, which moves with each read.

    Attributes:
      path: the file, for messages.
      data: the bytes.
      at: the place.
      base: where the bytes start in the file.

    >>> cursor = Cursor("weights.bin", b"\\x01\\x00\\x00\\x00abc")
    >>> cursor.number("<I"), cursor.text(3, "a name"), cursor.left
    (1, 'abc', 0)
    """

    def __init__(self, path: Any, data: memoryview | bytes, at: int = 0, base: int = 0):
        self.path, self.data, self.at, self.base = path, memoryview(data), at, base

    @property
    def left(self) -> int:
        """How many bytes follow."""
        return len(self.data) - self.at

    def fail(self, what: str) -> DamagedFileError:
        """The error for what was read last."""
        return damaged(self.path, f"byte {self.base + self.at:,}", what)

    def take(self, size: int, what: str = "bytes") -> memoryview:
        """The next `size` bytes.

        Raises:
          DamagedFileError: fewer are left.
        """
        if not 0 <= size <= self.left:
            raise self.fail(f"{what} should have {size:,} bytes, and {self.left:,} are left")
        self.at += size
        return self.data[self.at - size : self.at]

    def span(self, offset: int, size: int, what: str) -> Cursor:
        """The bytes `offset` to `offset + size`, as a cursor of their own.

        Args:
          offset: the first byte, counted from where the bytes start.
          size: how many bytes.
          what: they are, for the message.

        Raises:
          DamagedFileError: the bytes do not reach so far.
        """
        if not (offset >= 0 and size >= 0 and offset + size <= len(self.data)):
            raise self.fail(f"{what} should be bytes {offset:,} to {offset + size:,} of {len(self.data):,}")
        return Cursor(self.path, self.data[offset : offset + size], base=self.base + offset)

    def number(self, form: str) -> Any:
        """One number in `struct`'s notation, such as `<I`."""
        return struct.unpack(form, self.take(struct.calcsize(form), "a number"))[0]

    def text(self, size: int, what: str = "a text") -> str:
        """Text in UTF-8 of that many bytes.

        Args:
          size: how many bytes.
          what: the text is, for the message.

        Raises:
          DamagedFileError: fewer bytes are left, or they are not UTF-8.
        """
        raw = self.take(size, what)
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError:
            raise self.fail(f"{what} is not UTF-8") from None

    def varint(self, what: str = "a number") -> int:
        """A number in groups of seven bits, least significant first (LEB128), of at most 64 bits.

        Raises:
          DamagedFileError: the bytes end within the number, or it has more bits.
        """
        value = shift = 0
        while True:
            byte = self.take(1, what)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if shift > 63:
                raise self.fail(f"{what} has more than 64 bits")
        if value >> 64:
            raise self.fail(f"{what} has more than 64 bits")
        return value

    def array(self, shape: Sequence[int], dtype: Any, what: str) -> np.ndarray:
        """An array that views the next bytes.

        Raises:
          DamagedFileError: the shape is none, or needs more bytes than are left.
        """
        size = size_of(shape, dtype)
        if size is None:
            raise self.fail(f"{what} has the shape {tuple(shape)}")
        return np.frombuffer(self.take(size, what), dtype).reshape(shape)


def size_of(shape: Sequence[int], dtype: Any) -> int | None:
    """The bytes of an array, or None where no array has such a shape.

    >>> size_of((2, 3), "float32"), size_of((2, -1), "float32"), size_of((0, 2**62), "float32")
    (24, None, None)
    """
    if len(shape) > MAX_DIMS or any(not isinstance(d, int) or d < 0 for d in shape):
        return None
    item = np.dtype(dtype).itemsize
    if math.prod(max(d, 1) for d in shape) * item >= 2**62:
        return None
    return math.prod(shape) * item


__all__ = ["MAX_DIMS", "Cursor", "open_bytes", "size_of"]
