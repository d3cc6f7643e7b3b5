"""Arrays and sizes as text."""

import ml_dtypes
import numpy as np
import pytest

from tenure.haiku.formats import format_array, format_bytes, simple_dtype


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        (np.float32, "f32"),
        (np.dtype("int8"), "s8"),
        (np.uint16, "u16"),
        (np.dtype("complex64"), "c64"),
        (np.dtype(ml_dtypes.bfloat16), "bf16"),
    ],
)
def test_dtypes(dtype, text):
    assert simple_dtype(dtype) == text


def test_arrays_and_bytes():
    assert format_array(np.ones((), np.int32)) == "s32[]" and format_array(np.ones((2, 0), bool)) == "bool[2,0]"
    assert [format_bytes(n) for n in (0, 999, 1000, 2_500_000, 3 * 10**15)] == [
        *("0.00 B", "999.00 B", "1.00 KB", "2.50 MB", "3000.00 TB")
    ]
