"""TensorFlow checkpoints without TensorFlow."""

import struct

import ml_dtypes
import numpy as np
import pytest

from tenure.convert import snappy, sorted_table, tensorflow
from tenure.convert.crc32c import crc32c
from tenure.convert.cursor import Cursor
from tenure.convert.errors import DamagedFileError, FileError, UnsupportedFileError


def some():
    draw = np.random.RandomState(0)
    return {
        "h/W": draw.randn(5, 6).astype("float32"),
        "h/b": draw.randn(6).astype(ml_dtypes.bfloat16),
        "global_step": np.int64(83),
        "empty": np.zeros((0, 3), "float16"),
        "flag": np.array(True),
    }


def test_what_is_written_is_read(tmp_path):
    tensorflow.write(tmp_path / "model.001", some())
    for ending in ("", ".index", ".data-00000-of-00001", ".meta"):
        weights = tensorflow.read(f"{tmp_path}/model.001{ending}")
        assert sorted(weights) == sorted(some())
        for name, value in some().items():
            assert weights[name].dtype == value.dtype and np.array_equal(weights[name], value)


def test_many_keys_in_several_blocks_are_read_in_order(monkeypatch):
    monkeypatch.setattr(sorted_table, "_BLOCK", 200)
    entries = [(f"layer_{i:03d}/w".encode(), bytes([i])) for i in range(100)]
    table = sorted_table.write(entries)
    assert [(key, bytes(value.data)) for key, value in sorted_table.read(Cursor("x", table))] == entries


def test_a_flipped_bit_in_the_values_is_found(tmp_path):
    tensorflow.write(tmp_path / "m", some())
    path = tmp_path / "m.data-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"'h/b'.*checksum"):
        dict(tensorflow.read(tmp_path / "m"))


def test_a_flipped_bit_in_the_index_is_found(tmp_path):
    tensorflow.write(tmp_path / "m", some())
    path = tmp_path / "m.index"
    data = path.read_bytes()
    for i in range(len(data)):
        changed = bytearray(data)
        changed[i] ^= 4
        path.write_bytes(changed)
        try:
            weights = dict(tensorflow.read(tmp_path / "m"))
        except FileError:
            continue
        assert all(np.array_equal(weights[name], value) for name, value in some().items()), i  # padding of the footer


def test_a_missing_shard_is_named(tmp_path):
    tensorflow.write(tmp_path / "m", some())
    (tmp_path / "m.data-00000-of-00001").unlink()
    with pytest.raises(FileError, match="data-00000-of-00001"):
        tensorflow.read(tmp_path / "m")


def test_an_array_that_tensorflow_lacks_is_refused(tmp_path):
    with pytest.raises(UnsupportedFileError, match="float8"):
        tensorflow.write(tmp_path / "m", {"w": np.zeros(2, ml_dtypes.float8_e4m3fn)})
    assert not list(tmp_path.iterdir())


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


@pytest.mark.parametrize(
    "bad", [b"\xff\xff\xff\xff\x0f\x00a", bytes([4, 1, 9]), bytes([2, 0]), bytes([1, 0xFC, 255, 255, 255, 255])]
)
def test_damaged_snappy_is_refused(bad):
    with pytest.raises(DamagedFileError):
        snappy.decompress(Cursor("x", bad))


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 5000])
def test_checksums_are_those_of_a_bitwise_loop(size):
    data = np.random.RandomState(size).bytes(size)
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    assert crc32c(data) == register ^ 0xFFFFFFFF
