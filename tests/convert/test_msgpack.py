"""MessagePack: values there and back, next to Flax's library, and what is damaged."""

import pytest

from tenure.convert.cursor import Cursor
from tenure.convert.errors import DamagedFileError
from tenure.convert.msgpack import decode, encode

VALUES = [None, True, False, 0, 127, 128, -32, -33, 2**31, 2**64 - 1, -(2**63), 1.5, "", "ü" * 300, [], {}]
VALUES += [[1, [2, {"a": [None]}]], {"a": {"b": -5}, 3: "c"}]


def decoded(data):
    return decode(Cursor("x", data), lambda code, data: (code, bytes(data.data)))


@pytest.mark.parametrize("value", VALUES, ids=lambda v: repr(v)[:20])
def test_there_and_back(value):
    msgpack = pytest.importorskip("msgpack")
    assert decoded(encode(value)) == value == msgpack.unpackb(encode(value), strict_map_key=False)
    assert decoded(msgpack.packb(value)) == value


def test_extensions_and_bytes_are_handed_over():
    assert decoded(encode((5, b"abc"))) == (5, b"abc")
    assert bytes(decoded(encode(b"abc")).data) == b"abc"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\x82\xa1a\x01\xa1a\x02",
        b"\x81\xc0\x01",
        b"\x91" * 300 + b"\x01",
        b"\xd9",
    ],
)
def test_what_is_no_value_is_damage(data):
    with pytest.raises(DamagedFileError):
        decoded(data)
