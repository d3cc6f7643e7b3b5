"""Recorded values next to ours: the places where they differ."""

import numpy as np
import pytest

from tenure.returnn.engine_replay.compare import Tolerance, differences

EQUAL = [
    ({"a": [1, (2.0, None)]}, {"a": (1, [2, None])}),
    (float("nan"), float("nan")),
    ([0, 1, 2], range(3)),
    (np.array([1.0, np.nan]), np.array([1.0, np.nan])),
    (np.array(["a"], object), np.array(["a"])),
]
DIFFERENT = [
    ({"a": 1}, {"b": 1}, ["x.a: missing", "x.b: not expected"]),
    ([1], [1, 2], ["x: 1 items expected, 2 found"]),
    (True, 1.5, ["x: True expected, 1.5 found"]),
    (np.ones(2), np.ones(3), ["x: shape (2,) expected, (3,) found"]),
    (np.ones(2), np.ones(2, "float32"), ["x: dtype float64 expected, float32 found"]),
    (np.ones(2), np.array([1.0, 1.5]), ["x: values differ by up to 0.5"]),
]


@pytest.mark.parametrize(("expected", "found"), EQUAL)
def test_equal(expected, found):
    assert differences(expected, found) == []


@pytest.mark.parametrize(("expected", "found", "lines"), DIFFERENT)
def test_different(expected, found, lines):
    assert sorted(differences(expected, found, "x")) == lines


def test_a_tolerance_is_for_numbers():
    near = Tolerance(rtol=1e-3)
    assert differences([1000.0, "a"], [1000.5, "a"], "", near) == []
    assert differences(np.array([1000.0]), np.array([1000.5]), "", near) == []
    assert len(differences([1000.0], [1002.0], "", near)) == 1
