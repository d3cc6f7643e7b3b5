"""Padded arrays of a batch."""

import numpy as np

from tenure.training.batching.arrays import padded
from tenure.training.batching.plan import Batching
from tenure.training.data.static import StaticDataset

DATA = [{"data": np.arange(2.0 * n).reshape(n, 2) + 1, "classes": np.arange(n) + 1} for n in (3, 1, 2)]


def planned():
    epoch = StaticDataset(DATA).epoch(1)
    (batch,) = Batching(batch_size=100).batches(epoch.lengths(i) for i in range(3))
    return batch, lambda i: (f"seq-{i}", DATA[i])


def test_sequences_are_rows_with_zeros_behind():
    batch, load = planned()
    found = padded(batch, load, ["data", "classes"])
    assert found.arrays["data"].shape == (3, 3, 2) and found.lengths["data"].tolist() == [3, 1, 2]
    assert found.arrays["classes"].tolist() == [[1, 2, 3], [1, 0, 0], [1, 2, 0]]
    assert found.tags == ("seq-0", "seq-1", "seq-2") and found.indices == (0, 1, 2)


def test_a_shape_is_filled_up_with_empty_rows_or_copies():
    batch, load = planned()
    empty = padded(batch, load, ["classes"], at_least=5, rows=4)
    assert empty.arrays["classes"].shape == (4, 5) and empty.lengths["classes"].tolist() == [3, 1, 2, 0]
    copies = padded(batch, load, ["classes"], at_least={"classes": 4}, rows=4, copies=True)
    assert copies.arrays["classes"][3].tolist() == [1, 2, 0, 0] and copies.lengths["classes"][3] == 2


def test_sequences_with_marked_entries_are_named_and_no_rows_that_fill_the_shape_up():
    batch, load = planned()
    for copies in (False, True):
        found = padded(batch, load, ["data", "classes"], rows=5, copies=copies)
        assert found.sequences_with("classes", found.arrays["classes"] == 2) == ["seq-0", "seq-2"]
        assert found.sequences_with("data", found.arrays["data"] == 1) == ["seq-0", "seq-1", "seq-2"]
    (row,) = Batching(batch_size=100, recurrent=False).batches(
        StaticDataset(DATA).epoch(1).lengths(i) for i in range(3)
    )
    found = padded(row, load, ["classes"])
    assert found.sequences_with("classes", found.arrays["classes"] == 2) == ["seq-0", "seq-2"]
