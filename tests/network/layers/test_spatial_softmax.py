"""A softmax over time and features."""

import numpy as np
import pytest

from tenure.core.errors import TenureError
from tenure.network import batch_dim, feature_dim
from tests.network.layers.running import BATCH, LENGTHS, X, data, output, run


def test_softmax_over_time_and_features():
    y, _ = output({"class": "batch_softmax"})
    for row, x, n in zip(y, X, LENGTHS, strict=True):
        e = np.exp(x[:n].astype(np.float64))
        assert np.allclose(row[:n], e / e.sum(), atol=1e-6) and not row[n:].any()


def test_where_a_softmax_starts_may_have_a_feature_dim():
    declared = data()
    declared["start"] = {"dims": [batch_dim(), feature_dim(1)], "dtype": "int32"}
    start = np.array([[2], [0], [0]], "int32")
    net = {"output": {"class": "softmax_over_spatial", "start": "data:start", "from": "data"}}
    result, _ = run(net, inputs=declared, batch={**BATCH, "start": start})
    found = np.asarray(result.outputs["output"].batch_first().data)
    assert found.shape == (3, 5, 6)
    expected = np.exp(X[0, 2:]) / np.exp(X[0, 2:]).sum(0)
    np.testing.assert_allclose(found[0], np.pad(expected, [(2, 0), (0, 0)]).T, rtol=1e-5, atol=1e-6)


def test_a_softmax_over_positions_wants_no_number():
    with pytest.raises(TenureError, match="axis"):
        output({"class": "softmax_over_spatial", "axis": 1}, version=0)
