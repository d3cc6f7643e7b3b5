import pytest

from tenure.training.batching.buckets import Buckets, Shape, declared, from_batches, grid
from tenure.training.batching.frames import Frames
from tenure.training.errors import BatchError


def data(rows, frames):
    return Shape(rows, {"data": frames})


def test_a_batch_takes_the_shape_with_the_fewest_cells_that_holds_it():
    buckets = Buckets((data(8, 10), data(2, 30), data(4, 12)), declared=True)
    assert buckets.of(data(3, 9)) == data(4, 12)
    assert buckets.of(data(5, 9)) == data(8, 10)
    assert buckets.of(data(1, 20)) == data(2, 30)
    assert buckets.of(data(3, 20)) is None


def test_only_streams_of_the_batch_are_in_its_shape():
    buckets = Buckets((Shape(4, {"data": 10, "classes": 5}),), declared=True)
    assert buckets.of(data(2, 7)) == data(4, 10)


def test_rows_by_the_limits_of_batches():
    buckets = Buckets(batch_size=Frames(rest=100), max_seqs=6)
    assert buckets.rows(2, {"data": 10}) == 6
    assert buckets.rows(2, {"data": 25}) == 4
    assert buckets.rows(9, {"data": 10}) == grid(9, 1.5, step=1)  # more than the limits allow
    assert Buckets(batch_size=Frames(rest=100), multiple=4).rows(1, {"data": 20}) == 8


def test_the_grid_grows_by_its_factor_and_holds_every_length():
    lengths = [grid(n) for n in range(1, 3000)]
    assert all(size >= n and size % 8 == 0 for n, size in enumerate(lengths, 1))
    sizes = sorted(set(lengths))
    assert all(b <= max(1.25 * a, a + 8) for a, b in zip(sizes, sizes[1:], strict=False))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (5, "no list of shapes"),
        ([], "no list of shapes"),
        ([10.5], "whole and above 0"),
        ([{"data": 10, "classes": 4, "rows": 0}], "whole and above 0"),
        ([{"data": 10}], "says nothing of the stream 'classes'"),
    ],
)
def test_declarations_that_say_nothing(option, message):
    with pytest.raises(BatchError, match=message):
        declared(option, ["data", "classes"])


def test_shapes_of_batches_hold_all_of_them():
    batches = [data(100 // n, n) for n in range(4, 50)]
    for most in (1, 3, 8):
        made = from_batches(batches, most=most, multiple=2)
        assert len(made) <= most and all(shape.rows % 2 == 0 for shape in made)
        assert all(any(shape.holds(batch) for shape in made) for batch in batches)
    assert from_batches([]) == ()


def test_equal_batches_need_one_shape():
    assert from_batches([data(3, 7)] * 5) == (data(3, 7),)
