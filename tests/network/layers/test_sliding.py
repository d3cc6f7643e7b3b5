"""Windows over frames, and the way back."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.in_steps import both
from tests.network.layers.running import KEEP, LABELS, X, output, run


@pytest.mark.parametrize("padding, stride", [("same", 1), ("same", 2), ("valid", 1), ("valid", 2)])
def test_windows(padding, stride):
    _, t = output({"class": "window", "window_size": 3, "padding": padding, "stride": stride})
    time, window = t.axis(t.time_dim), next(i for i, d in enumerate(t.dims) if d.size == 3)
    y = np.moveaxis(np.asarray(t.data), (t.batch_axis, time, window), (0, 1, 2))
    around = np.pad(X, ((0, 0), (1, 1), (0, 0))) if padding == "same" else X
    starts = range(0, around.shape[1] - 2, stride)
    assert np.allclose(y, np.stack([around[:, s : s + 3] for s in starts], 1))


def test_a_fold_undoes_a_window():
    net = {
        "w": {"class": "window", "window_size": 3, "padding": "valid", "from": "data"},
        "x": {
            "class": "fold",
            "mode": "mean",
            "in_spatial_dim": "T",
            "window_dim": "dim:3",
            "padding": "valid",
            "from": "w",
        },
    }
    batch = {"data": (X, np.array([6, 6, 6])), "classes": (LABELS, np.array([6, 6, 6]))}
    found = run(net, batch=batch)[0].outputs["x"]
    assert np.allclose(found.batch_first().data, X, atol=1e-6)


def test_windows_of_the_past():
    inside, whole = both({"class": "window", "window_size": 3, "window_right": 0}, {"class": "copy"})
    padded = np.pad(whole, ((0, 0), (2, 0), (0, 0)))
    wanted = np.stack([padded[:, i : i + 6] for i in range(3)], axis=2)
    assert inside.shape == (3, 6, 3, 5) and np.allclose(inside[KEEP], wanted[KEEP], atol=1e-6)
    with pytest.raises(TenureError, match="window_right"):
        both({"class": "window", "window_size": 3}, {"class": "copy"})
