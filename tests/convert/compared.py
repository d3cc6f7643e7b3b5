"""Arrays as they were written, and the files that hold them."""

import pathlib

import numpy as np

FIXTURES = pathlib.Path(__file__).parent / "fixtures"


def same(found, expected):
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.array_equal(found, expected)


def expected():
    return dict(np.load(FIXTURES / "expected.npz"))
