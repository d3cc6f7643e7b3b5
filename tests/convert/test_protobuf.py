"""Protocol buffers on the wire: fields by number, both ways."""

import pytest

from tenure.convert.cursor import Cursor
from tenure.convert.errors import DamagedFileError
from tenure.convert.protobuf import Message, block, fixed, repeated, signed, varint, whole


def read(data):
    return Message(Cursor("x", data))


def test_fields_are_found_by_their_numbers():
    inner = whole(1, 7) + whole(2, -3)
    message = read(whole(1, 300) + block(2, "ü".encode()) + repeated(3, [inner, inner]) + fixed(4, 9) + whole(1, 5))
    assert message.number(1) == 5  # the last one counts
    assert message.text(2) == "ü" and message.number(4) == 9 and message.number(9, 2) == 2
    assert [m.signed(2) for m in message.messages(3)] == [-3, -3]
    assert message.text(9) == "" and message.part(9) is None


def test_repeated_numbers_may_be_packed():
    packed = block(1, b"".join(varint(n) for n in (1, 300, -1)))
    single = b"".join(varint(1 << 3) + varint(n) for n in (1, 300, -1))
    assert read(packed).numbers(1) == read(single).numbers(1) == [1, 300, -1]


@pytest.mark.parametrize("value", [0, 1, -1, 2**63 - 1, -(2**63)])
def test_numbers_have_signs(value):
    assert signed(Cursor("x", varint(value)).varint()) == value


@pytest.mark.parametrize("data", [b"\x00\x01", b"\x0b", b"\x12\x05ab", b"\x08"])
def test_what_is_no_message_is_damage(data):
    with pytest.raises(DamagedFileError):
        read(data)


def test_a_field_of_another_kind_than_asked_for():
    with pytest.raises(DamagedFileError, match="field 1 is not a number"):
        read(block(1, b"a")).number(1)
    with pytest.raises(DamagedFileError, match="field 1 has no bytes"):
        read(whole(1, 3)).parts(1)
