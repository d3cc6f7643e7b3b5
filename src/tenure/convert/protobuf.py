"""Protocol buffers on the wire (https://protobuf.dev/programming-guides/encoding): fields by number, both ways."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from tenure.convert.cursor import Cursor


class Message:
    """A message's fields: {number: values in order}; a value is an int, or a `Cursor` on a field's bytes.

    >>> message = Message(Cursor("x", b"\\x08\\x96\\x01\\x12\\x02hi"))
    >>> message.number(1), message.text(2), message.number(9)
    (150, 'hi', 0)
    """

    def __init__(self, cursor: Cursor):
        self.cursor = cursor
        self.fields: dict[int, list[Any]] = {}
        while cursor.left:
            tag = cursor.varint("a field's tag")
            number, wire = tag >> 3, tag & 7
            if not number:
                raise cursor.fail("a field has the number 0")
            self.fields.setdefault(number, []).append(_value(cursor, wire))

    def number(self, field: int, default: int = 0) -> int:
        """The last value of a field of whole numbers.

        Args:
          field: its number.
          default: what a missing field means.

        Raises:
          DamagedFileError: the field has bytes.
        """
        value = self.fields.get(field, [default])[-1]
        if isinstance(value, Cursor):
            raise self.cursor.fail(f"field {field} is not a number")
        return value

    def signed(self, field: int, default: int = 0) -> int:
        """The same, of 64 bits with a sign."""
        return signed(self.number(field, default))

    def numbers(self, field: int) -> list[int]:
        """All values of a repeated field of whole numbers, packed or not, with signs."""
        found = []
        for value in self.fields.get(field, ()):
            if isinstance(value, Cursor):
                packed = Cursor(value.path, value.data, base=value.base)
                while packed.left:
                    found.append(signed(packed.varint()))
            else:
                found.append(signed(value))
        return found

    def parts(self, field: int) -> list[Cursor]:
        """All values of a field of bytes, as cursors.

        Raises:
          DamagedFileError: the field has numbers.
        """
        found = self.fields.get(field, [])
        for value in found:
            if not isinstance(value, Cursor):
                raise self.cursor.fail(f"field {field} has no bytes")
        return [Cursor(v.path, v.data, base=v.base) for v in found]

    def part(self, field: int) -> Cursor | None:
        """The last value of a field of bytes, or None."""
        found = self.parts(field)
        return found[-1] if found else None

    def text(self, field: int) -> str:
        """The last value of a field of text, or the empty text."""
        cursor = self.part(field)
        return cursor.text(cursor.left) if cursor else ""

    def messages(self, field: int) -> list[Message]:
        """All values of a field of messages."""
        return [Message(cursor) for cursor in self.parts(field)]


def signed(value: int) -> int:
    """A 64-bit pattern as a number with a sign."""
    return value - (1 << 64) if value >> 63 else value


def _value(cursor: Cursor, wire: int) -> Any:
    if wire == 0:
        return cursor.varint("a field")
    if wire == 1:
        return cursor.number("<Q")
    if wire == 5:
        return cursor.number("<I")
    if wire == 2:
        size = cursor.varint("a field's length")
        start = cursor.base + cursor.at
        return Cursor(cursor.path, cursor.take(size, "a field"), base=start)
    raise cursor.fail(f"a field has the wire type {wire}")


def varint(value: int) -> bytes:
    """A number in groups of seven bits.

    >>> varint(300).hex()
    'ac02'
    """
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def whole(field: int, value: int) -> bytes:
    """A field with a whole number; nothing for 0, which is what a missing field means."""
    return varint(field << 3) + varint(value) if value else b""


def fixed(field: int, value: int) -> bytes:
    """A field with a number in four bytes."""
    return varint(field << 3 | 5) + struct.pack("<I", value)


def block(field: int, data: bytes) -> bytes:
    """A field with bytes, a text or a message."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def repeated(field: int, messages: Iterable[bytes]) -> bytes:
    """A field with several messages."""
    return b"".join(block(field, message) for message in messages)


__all__ = ["Message", "block", "fixed", "repeated", "signed", "varint", "whole"]
