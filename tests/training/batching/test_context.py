"""Context windows: frames of the neighbourhood on both sides of a piece."""

import pytest

from tenure.training.batching.context import Context
from tenure.training.batching.frames import Frames
from tenure.training.errors import BatchError


def widths(window):
    context = Context.parse(window)
    return context and (context.left.of, context.right.of)


def test_forms_of_the_option():
    assert widths(5) == ({"data": 2}, {"data": 2}) and widths(4) == ({"data": 1}, {"data": 2})
    assert widths({"a": 3, "b": 1}) == ({"a": 1, "b": 0}, {"a": 1, "b": 0})
    assert widths(({"a": 2}, {"a": 0})) == ({"a": 2}, {"a": 0})
    assert widths(None) is None


def test_a_piece_becomes_wider_on_both_sides():
    start, end = Context.parse({"data": 5}).widened((Frames({"data": 3, "x": 1}), Frames({"data": 7, "x": 2})))
    assert (start.of, end.of) == ({"data": 1, "x": 1}, {"data": 9, "x": 2})


@pytest.mark.parametrize("window", [-3, "5", (1, 2), ({"a": 1},), {"a": "2"}])
def test_what_is_none(window):
    with pytest.raises(BatchError, match="context_window"):
        Context.parse(window)
