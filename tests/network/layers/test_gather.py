"""Slices and elements at places that the data say."""

import numpy as np

from tests.network.layers.running import LABELS, X, lengths, output
from tests.network.layers.sequences import SEQUENCES, per_sequence


def test_slices_that_start_elsewhere():
    more = {
        "s": {"class": "reduce", "mode": "argmax", "axis": "T", "from": "m"},
        "m": {"class": "reduce", "mode": "sum", "axis": "F", "from": "data"},
    }
    starts = [int(np.argmax(s.sum(-1))) for s in SEQUENCES]
    y, _ = output({"class": "slice_nd", "start": "s", "size": 3}, more=more)
    expected = [np.pad(s[a : a + 3], ((0, max(0, a + 3 - len(s))), (0, 0))) for a, s in zip(starts, SEQUENCES)]
    assert np.allclose(y, np.stack(expected))
    y, t = output({"class": "slice_nd", "start": "s", "size": None}, more=more)
    per_sequence(y, [s[a:] for a, s in zip(starts, SEQUENCES)])
    assert lengths(t, 1).tolist() == [len(s) - a for a, s in zip(starts, SEQUENCES)]


def test_gather_goes_through_common_dims_together():
    y, t = output({"class": "gather", "axis": "F", "position": "data:classes"})
    assert np.allclose(y, np.take_along_axis(X, LABELS[..., None], -1)[..., 0])
    assert [d.name for d in t.dims] == ["batch", "time"]
