"""Sorted string tables: blocks, compression and checksums."""

import struct

from tenure.convert import snappy, sorted_table
from tenure.convert.crc32c import crc32c
from tenure.convert.cursor import Cursor


def test_many_keys_in_several_blocks_are_read_in_order(monkeypatch):
    monkeypatch.setattr(sorted_table, "_BLOCK", 200)
    entries = [(f"layer_{i:03d}/w".encode(), bytes([i])) for i in range(100)]
    table = sorted_table.write(entries)
    assert [(key, bytes(value.data)) for key, value in sorted_table.read(Cursor("x", table))] == entries


def table_of(content, compression):
    """A table with one block of which the content is given."""
    body = content + bytes([compression])
    plain = sorted_table.write([(b"k", b"v")])
    first = struct.unpack_from("<Q", plain, len(plain) - 8)  # the magic number
    from tenure.convert.crc32c import masked
    from tenure.convert.protobuf import varint

    def block(data):
        return data + struct.pack("<I", masked(crc32c(data)))

    out = block(body)
    meta_at = len(out)
    empty = sorted_table._Writer(16).finish()
    out += block(empty + b"\0")
    index = sorted_table._Writer(1)
    index.add(b"k", varint(0) + varint(len(content)))
    at = len(out)
    out += block(index.finish() + b"\0")
    handles = varint(meta_at) + varint(len(empty)) + varint(at) + varint(len(index.finish()))
    return out + handles.ljust(40, b"\0") + struct.pack("<Q", *first)


def test_compressed_blocks_are_read():
    plain = sorted_table._Writer(16)
    plain.add(b"k", b"abcdabcdabcdabcd")
    raw = plain.finish()
    at = raw.index(b"abcd") + 4
    copied = bytes([(12 - 1) << 2 | 2, 4, 0])  # 12 bytes from 4 back
    tail = raw[at + 12 :]
    packed = bytes([len(raw), (at - 1) << 2]) + raw[:at] + copied + bytes([(len(tail) - 1) << 2]) + tail
    assert snappy.decompress(Cursor("x", packed)) == raw
    entries = [(key, bytes(value.data)) for key, value in sorted_table.read(Cursor("x", table_of(packed, 1)))]
    assert entries == [(b"k", b"abcdabcdabcdabcd")]
