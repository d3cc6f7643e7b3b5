"""Sorted string tables, as LevelDB and TensorFlow write them: keys and values in blocks, with checksums.

Format: https://github.com/google/leveldb/blob/main/doc/table_format.md. A block is entries, each of which shares the start
of its key with the entry before; the offsets of entries that share nothing; then one byte for the compression and a checksum.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from tenure.convert import snappy
from tenure.convert.crc32c import crc32c, masked
from tenure.convert.cursor import Cursor
from tenure.convert.protobuf import varint

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_NONE, _SNAPPY = 0, 1
_RESTART = 16  # entries from one whole key to the next
_BLOCK = 262144  # bytes after which TensorFlow starts a new block


def read(cursor: Cursor) -> Iterator[tuple[bytes, Cursor]]:
    """All entries of a table, in the order of their keys.

    Raises:
      DamagedFileError: a checksum, an offset or an order that is wrong.
    """
    footer = cursor.span(len(cursor.data) - _FOOTER, _FOOTER, "the footer")
    if footer.span(40, 8, "the magic number").number("<Q") != _MAGIC:
        raise footer.fail("the last eight bytes are not those of a table")
    _block(cursor, footer)
    last = None
    for _, handle in _entries(_block(cursor, footer)):
        for key, value in _entries(_block(cursor, handle)):
            if last is not None and key <= last:
                raise value.fail(f"the key {key!r} follows {last!r}")
            last = key
            yield key, value


def _block(cursor: Cursor, handle: Cursor) -> Cursor:
    """The content of the block that a handle, an offset and a size, leads to."""
    offset, size = handle.varint("an offset"), handle.varint("a size")
    whole = cursor.span(offset, size + 5, "a block")
    compression, checksum = whole.span(size, 1, "").take(1)[0], whole.span(size + 1, 4, "").number("<I")
    if masked(crc32c(whole.data[: size + 1])) != checksum:
        raise whole.fail("the checksum of the block is wrong")
    content = whole.span(0, size, "a block")
    if compression == _SNAPPY:
        return Cursor(cursor.path, snappy.decompress(content), base=content.base)
    if compression != _NONE:
        raise whole.fail(f"the block has the compression {compression}; there are 0 (none) and 1 (Snappy)")
    return content


def _entries(block: Cursor) -> Iterator[tuple[bytes, Cursor]]:
    size = len(block.data)
    restarts = block.span(size - 4, 4, "the number of restarts").number("<I")
    body = block.span(0, size - 4 - 4 * restarts, "the entries")
    key = b""
    while body.left:
        shared, fresh, length = body.varint(), body.varint(), body.varint()
        if shared > len(key):
            raise body.fail(f"a key shares {shared} bytes with one of {len(key)}")
        key = key[:shared] + bytes(body.take(fresh, "a key"))
        start = body.base + body.at
        yield key, Cursor(body.path, body.take(length, "a value"), base=start)


class _Writer:
    """A block that is being written."""

    def __init__(self, restart: int):
        self.restart, self.data, self.offsets, self.count, self.last = restart, bytearray(), [0], 0, b""

    def add(self, key: bytes, value: bytes) -> None:
        """One more entry; keys come in order."""
        shared = 0
        if self.count == self.restart:
            self.offsets.append(len(self.data))
            self.count = 0
        else:
            shared = next(
                (i for i, (a, b) in enumerate(zip(key, self.last, strict=False)) if a != b),
                min(len(key), len(self.last)),
            )
        self.data += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        self.last = key
        self.count += 1

    def finish(self) -> bytes:
        """The block's content."""
        return bytes(self.data) + struct.pack(f"<{len(self.offsets)}I", *self.offsets) + _u32(len(self.offsets))


def write(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A table of entries whose keys are in order, not compressed: what TensorFlow writes, byte for byte.

    >>> [(key, bytes(value.data)) for key, value in read(Cursor("x", write([(b"a", b"1"), (b"ab", b"2")])))]
    [(b'a', b'1'), (b'ab', b'2')]
    """
    out, index, block, waiting = bytearray(), _Writer(1), _Writer(_RESTART), b""
    for key, value in entries:
        if waiting:
            index.add(_between(block.last, key), waiting)
            block, waiting = _Writer(_RESTART), b""
        block.add(key, value)
        if len(block.data) + 4 * (len(block.offsets) + 1) >= _BLOCK:
            waiting = _put(out, block.finish())
    if not waiting and block.data:
        waiting = _put(out, block.finish())
    meta = _put(out, _Writer(_RESTART).finish())
    if waiting:
        index.add(_after(block.last), waiting)
    handles = meta + _put(out, index.finish())
    return bytes(out) + handles.ljust(40, b"\0") + struct.pack("<Q", _MAGIC)


def _put(out: bytearray, content: bytes) -> bytes:
    """Appends a block; returns its handle."""
    handle = varint(len(out)) + varint(len(content))
    body = content + bytes([_NONE])
    out += body + _u32(masked(crc32c(body)))
    return handle


def _between(low: bytes, high: bytes) -> bytes:
    """A short key that is at least `low` and below `high`."""
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    if same < min(len(low), len(high)) and low[same] < 255 and low[same] + 1 < high[same]:
        return low[:same] + bytes([low[same] + 1])
    return low


def _after(key: bytes) -> bytes:
    """A short key that is at least `key`."""
    for i, byte in enumerate(key):
        if byte != 255:
            return key[:i] + bytes([byte + 1])
    return key


def _u32(value: int) -> bytes:
    return struct.pack("<I", value)


__all__ = ["read", "write"]
