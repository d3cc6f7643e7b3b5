"""How far the values of two arrays are apart."""

import ml_dtypes
import numpy as np
import pytest

from tenure.core.compare import distance

NAN, INF = np.nan, np.inf


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.5], 0.5),
        ([NAN, 1.0], [NAN, 1.0], 0.0),
        ([NAN], [1.0], INF),
        ([INF], [INF], 0.0),
        ([INF], [-INF], INF),
        ([3], [5], 2.0),
        ([True], [False], 1.0),
        ([1 + 1j], [1.0], 1.0),
        (np.zeros((0,)), np.zeros((0,)), 0.0),
        (np.array([1], ml_dtypes.bfloat16), np.array([1.5], np.float32), 0.5),
        ([2**62], [0], 2.0**62),
    ],
)
def test_distances(a, b, expected):
    assert distance(a, b) == distance(b, a) == expected
