"""Chunks: sequences cut into overlapping pieces of equal size."""

import random

import pytest

from tenure.training.batching.chunking import Chunking
from tenure.training.batching.frames import Frames
from tenure.training.errors import BatchError


def spans(chunking, lengths, keys=None, generator=None, **options):
    found = Chunking.parse(chunking, **options).spans(Frames(lengths), keys, generator)
    return [tuple((int(a[key]), int(b[key])) for key in a.of) for a, b in found]


@pytest.mark.parametrize("chunking", ["4:2", (4, 2), ({"data": 4}, {"data": 2})])
def test_pieces_overlap_and_cover_the_sequence(chunking):
    assert spans(chunking, {"data": 7}) == [((0, 4),), ((2, 6),), ((4, 7),), ((6, 7),)]
    assert spans("4", {"data": 8}) == [((0, 4),), ((4, 8),)]


def test_no_piece_starts_where_too_little_is_left():
    assert spans("4:2", {"data": 7}, least=2) == [((0, 4),), ((2, 6),), ((4, 7),)]
    assert spans("4:2", {"data": 1}, least=2) == [((0, 1),)]


def test_streams_of_other_rates_fall_into_the_same_pieces():
    sizes = ({"data": 6, "classes": 3}, {"data": 4, "classes": 2})
    assert spans(sizes, {"data": 8, "classes": 4}) == [((0, 6), (0, 3)), ((4, 8), (2, 4))]
    with pytest.raises(BatchError, match="equally many chunks .data: 8 frames, classes: 9 frames"):
        spans(sizes, {"data": 8, "classes": 9})
    with pytest.raises(BatchError, match="no size or step for the stream 'other'"):
        spans(({"data": 6}, {"data": 4}), {"data": 8, "other": 8})


def test_a_variance_makes_pieces_shorter_by_the_generator_alone():
    def sizes(seed):
        return spans("10:10", {"data": 40}, ["data"], random.Random(seed), variance=0.5)

    assert sizes(1) == sizes(1) != sizes(2)
    assert all(5 <= b - a <= 10 for ((a, b),) in sizes(1)[:-1])


@pytest.mark.parametrize(
    "chunking", ["4:x", {"a": 1, "b": "x"}, ({"a": 4}, {"b": 2}), -4, "4:2:1", (4,), ({"a": 4}, {"a": 0})]
)
def test_what_cannot_be_read(chunking):
    with pytest.raises(BatchError):
        Chunking.parse(chunking)
    assert Chunking.parse(0) is None and Chunking.parse(None) is None


def test_a_variance_keeps_the_ratio_to_the_stream_with_the_smallest_step():
    class Half:
        random = staticmethod(lambda: 1.0)

    sizes = ({"data": 21, "classes": 7}, {"data": 9, "classes": 3})
    found = spans(sizes, {"data": 27, "classes": 9}, ["data", "classes"], Half, least=1, variance=0.5)
    assert found[0] == ((0, 9), (0, 3)) and found[1][0][0] == 3 and found[1][1][0] == 1


def test_streams_of_one_step_must_be_equally_long():
    with pytest.raises(BatchError, match="equally many chunks"):
        spans(({"data": 10, "classes": 4}, {"data": 5, "classes": 5}), {"data": 7, "classes": 6})


@pytest.mark.parametrize(
    "step, rule", [({"data": 5}, "no size or step"), ({"data": 0, "classes": 5}, "no stream 'data'")]
)
def test_a_stream_without_a_step_is_told_with_a_variance_too(step, rule):
    size = dict.fromkeys(step, 5)
    with pytest.raises(BatchError, match=rule):
        lengths = {"data": 9, "classes": 9} if "classes" not in step else {"data": 9}
        spans((size, step), lengths, list(lengths), random.Random(1), variance=0.5)
