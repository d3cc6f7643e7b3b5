"""A softmax over time and features."""

import numpy as np

from tests.network.layers.running import LENGTHS, X, output


def test_softmax_over_time_and_features():
    y, _ = output({"class": "batch_softmax"})
    for row, x, n in zip(y, X, LENGTHS, strict=True):
        e = np.exp(x[:n].astype(np.float64))
        assert np.allclose(row[:n], e / e.sum(), atol=1e-6) and not row[n:].any()
