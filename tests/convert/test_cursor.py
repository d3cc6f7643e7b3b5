"""A place in the bytes of a file: every read is checked against what is there."""

import numpy as np
import pytest

from tenure.convert.cursor import Cursor, open_bytes, size_of
from tenure.convert.errors import DamagedFileError, FileError


def test_reads_move_the_place_and_never_leave_the_bytes(tmp_path):
    (tmp_path / "f").write_bytes(b"\x02\x00\x00\x00ab" + np.float32([1, 2]).tobytes())
    cursor = Cursor(tmp_path / "f", open_bytes(tmp_path / "f"))
    assert cursor.text(cursor.number("<I")) == "ab"
    part = cursor.span(6, 8, "the values")
    assert part.array((2,), "float32", "w").tolist() == [1, 2] and part.left == 0 and part.base == 6
    for read in (lambda: cursor.take(9), lambda: cursor.span(6, 9, "w"), lambda: cursor.array((3,), "float32", "w")):
        with pytest.raises(DamagedFileError, match="'.*f' is damaged at byte"):
            read()
    assert cursor.left == 8  # what failed moved nothing


def test_a_file_that_is_not_there_and_an_empty_one(tmp_path):
    with pytest.raises(FileError, match="'.*none' cannot be read"):
        open_bytes(tmp_path / "none")
    (tmp_path / "empty").touch()
    assert len(open_bytes(tmp_path / "empty")) == 0


@pytest.mark.parametrize("data", [b"\xff" * 11, b"\x80" * 9 + b"\x02", b"\x80"])
def test_numbers_of_more_than_64_bits_and_those_without_an_end(data):
    with pytest.raises(DamagedFileError):
        Cursor("x", data).varint()
    assert Cursor("x", b"\xff" * 9 + b"\x01").varint() == 2**64 - 1


@pytest.mark.parametrize("shape", [(-1,), (2.0,), (1,) * 33, (2**62, 2)])
def test_shapes_that_no_array_has(shape):
    assert size_of(shape, "float32") is None
    with pytest.raises(DamagedFileError, match="shape"):
        Cursor("x", b"1234").array(shape, "float32", "w")


def test_text_that_is_not_utf8():
    with pytest.raises(DamagedFileError, match="not UTF-8"):
        Cursor("x", b"\xff").text(1)
