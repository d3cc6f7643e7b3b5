"""Snappy's blocks: what is damaged is refused."""

import pytest

from tenure.convert import snappy
from tenure.convert.cursor import Cursor
from tenure.convert.errors import DamagedFileError


@pytest.mark.parametrize(
    "bad", [b"\xff\xff\xff\xff\x0f\x00a", bytes([4, 1, 9]), bytes([2, 0]), bytes([1, 0xFC, 255, 255, 255, 255])]
)
def test_damaged_snappy_is_refused(bad):
    with pytest.raises(DamagedFileError):
        snappy.decompress(Cursor("x", bad))
