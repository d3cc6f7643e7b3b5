"""Numpy's array format, next to numpy."""

import io

import ml_dtypes
import numpy as np
import pytest

from tenure.convert import npy
from tenure.convert.cursor import Cursor
from tenure.convert.errors import DamagedFileError, UnsupportedFileError

ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.float16(3),
    np.zeros((0, 4), bool),
    np.array([1 + 2j]),
    np.arange(3, dtype=">i4"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_what_numpy_writes_is_read_and_numpy_reads_what_is_written(array):
    file = io.BytesIO()
    np.save(file, array)
    found = npy.read(Cursor("x", file.getvalue()), "x")
    assert found.dtype == array.dtype and found.shape == array.shape and np.array_equal(found, array)
    assert np.array_equal(np.load(io.BytesIO(npy.encode(np.asarray(array)))), array)


def test_bfloat16_goes_as_two_bytes_of_no_type():
    array = np.array([1.5, -2], ml_dtypes.bfloat16)
    found = npy.read(Cursor("x", npy.encode(array)), "x")
    assert found.dtype == array.dtype and (found == array).all()


def test_arrays_of_no_numbers_are_not_read():
    file = io.BytesIO()
    np.save(file, np.array([{}]), allow_pickle=True)
    with pytest.raises(UnsupportedFileError, match="Python objects"):
        npy.read(Cursor("x", file.getvalue()), "x")


def test_a_damaged_header_is_told():
    whole = npy.encode(np.ones(3))
    for data in (
        whole[:5],
        b"x" + whole[1:],
        whole[:6] + b"\x09" + whole[7:],
        whole.replace(b"(3,)", b"(-3)"),
        whole[:-1],
    ):
        with pytest.raises(DamagedFileError):
            npy.read(Cursor("x", data), "x")
