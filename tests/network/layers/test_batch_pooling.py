"""Medians over the sequences of a batch."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.running import KEEP, LABELS, LENGTHS, X, lengths, output


def test_medians_over_the_batch():
    y, t = output({"class": "batch_median_pooling", "pool_size": 3})
    counted = [sorted(X[KEEP[:, n], n], key=lambda v: v[0]) for n in range(6)]
    assert np.allclose(y[0, :, 0], [frames[len(frames) // 2][0] for frames in counted])
    assert lengths(t, 1).tolist() == [6]
    two = {k: (np.repeat(x, 2, axis=0), np.repeat(LENGTHS, 2)) for k, x in (("data", X), ("classes", LABELS))}
    y, t = output({"class": "batch_median_pooling", "pool_size": 2}, batch=two)
    assert np.allclose(y, X) and lengths(t, 1).tolist() == LENGTHS.tolist()
    with pytest.raises(TenureError, match="pool_size"):
        output({"class": "batch_median_pooling", "pool_size": 2})
