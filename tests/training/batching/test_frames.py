"""Numbers of frames, one per stream of a data set."""

import pytest

from tenure.training.batching.frames import UNLIMITED, Frames

A, B = Frames({"data": 5, "classes": 2}), Frames({"data": 3}, rest=4)


def test_sums_and_differences_know_the_streams_of_both():
    assert A + B == Frames({"data": 8, "classes": 6}, rest=4)
    assert A - B == Frames({"data": 2, "classes": -2}, rest=-4)
    assert A.smaller(B) == Frames({"data": 3, "classes": 2}, rest=4)
    assert A.larger(B) == Frames({"data": 5, "classes": 4}, rest=4)
    assert A.map(lambda n: 2 * n) == Frames({"data": 10, "classes": 4})


def test_numbers_of_streams():
    assert B["x"] == 4 and A.get("x") is None and B.only(["data", "x"]) == Frames({"data": 3, "x": 4})
    with pytest.raises(KeyError):
        A["x"]
    assert (A.largest(), B.largest(), Frames().largest()) == (5, 4, 0)
    assert Frames.of_value({"data": 1}) == Frames({"data": 1}) and Frames.of_value(None) == UNLIMITED
    assert Frames.of_value(A) is A


def test_limits():
    assert A.exceeds(Frames(rest=4)) and not A.exceeds(Frames(rest=5)) and A.reaches(Frames(rest=5))
    assert not A.exceeds(UNLIMITED) and A.exceeds(Frames({"classes": 1}))
    assert A.below(Frames({"classes": 3})) and not A.below(Frames({"data": 5}))
