"""Snappy's block format (https://github.com/google/snappy/blob/main/format_description.txt), decompression only."""

from __future__ import annotations

from tenure.convert.cursor import Cursor

_RATIO = 64  # a copy of 64 bytes takes two bytes or more


def decompress(block: Cursor) -> bytes:
    """The bytes that a block stands for.

    Raises:
      DamagedFileError: the block is not Snappy's.

    >>> decompress(Cursor("x", bytes([6, 8]) + b"abc" + bytes([10, 3, 0])))
    b'abcabc'
    """
    size = block.varint("the length of a block")
    if size > _RATIO * max(block.left, 1):
        raise block.fail(f"a block of {block.left:,} bytes cannot stand for {size:,}")
    out = bytearray()
    while block.left:
        tag = block.take(1)[0]
        if tag & 3 == 0:
            out += block.take(_literal(block, tag >> 2), "a literal")
        else:
            _copy(block, tag, out)
        if len(out) > size:
            break
    if len(out) != size:
        raise block.fail(f"a block stands for {len(out):,} bytes or more, and says {size:,}")
    return bytes(out)


def _literal(block: Cursor, code: int) -> int:
    if code < 60:
        return code + 1
    return int.from_bytes(block.take(code - 59), "little") + 1


def _copy(block: Cursor, tag: int, out: bytearray) -> None:
    """Bytes that were there before, once more; they may overlap with those that are being made."""
    if tag & 3 == 1:
        length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | block.take(1)[0]
    else:
        length, offset = (tag >> 2) + 1, int.from_bytes(block.take(2 if tag & 3 == 2 else 4), "little")
    if not 0 < offset <= len(out):
        raise block.fail(f"a copy from {offset} bytes back, of {len(out)}")
    for _ in range(length):
        out.append(out[-offset])


__all__ = ["decompress"]
