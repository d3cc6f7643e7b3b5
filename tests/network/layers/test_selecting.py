"""Layers that leave entries out."""

import numpy as np
import pytest

from tenure import TenureError
from tenure.network import Dim, batch_dim, feature_dim
from tests.network.layers.running import BATCH, LABELS, LENGTHS, X, lengths, output, run

LONG = [LABELS[b, :n].tolist() for b, n in enumerate(LENGTHS)]


@pytest.mark.parametrize("symbol", [1, -1, 0])
def test_remove_a_label(symbol):
    y, t = output({"class": "remove", "symbol": symbol, "from": "data:classes"})
    wanted = [[a for a in row if a != symbol % 4] for row in LONG]
    assert lengths(t, 1).tolist() == [len(w) for w in wanted]
    for row, w in zip(y, wanted, strict=True):
        assert row[: len(w)].tolist() == w
    assert y.shape[1] == max(map(len, wanted)) and t.sparse


def test_remove_in_a_compiled_program_needs_room():
    net = {"output": {"class": "remove", "symbol": 1, "from": "data:classes"}}
    with pytest.raises(TenureError, match="capacity"):
        run(net, compiled=True)
    room = Dim(None, "rest", capacity=6)
    result, _ = run({"output": {**net["output"], "out_dim": room}}, compiled=True)
    found = result.outputs["output"]
    assert found.shape == (3, 6) and lengths(found, 1).tolist() == [sum(a != 1 for a in row) for row in LONG]


def test_boolean_mask_over_two_dims():
    time = Dim(None, "time")
    inputs = {"data": {"dims": [batch_dim(), time, feature_dim(5)], "time_dim_axis": 1, "feature_dim_axis": 2}}
    net = {
        "sum": {"class": "reduce", "mode": "sum", "axis": "F", "from": "data"},
        "keep": {"class": "compare", "kind": "greater", "value": 0, "from": "sum"},
        "output": {"class": "boolean_mask", "mask": "keep", "dims": [batch_dim(), time], "from": "data"},
    }
    result, _ = run(net, inputs=inputs, batch={"data": BATCH["data"]})
    found = result.outputs["output"]
    wanted = X[X.sum(-1) > 0]
    assert np.allclose(found.data, wanted) and int(found.lengths[found.dims[0]].data) == len(wanted)


def test_a_mask_of_other_dims_is_refused():
    net = {
        "keep": {"class": "compare", "kind": "greater", "value": 0, "from": "data"},
        "output": {"class": "boolean_mask", "mask": "keep", "dims": [batch_dim()], "from": "data"},
    }
    with pytest.raises(TenureError, match="'output'.*'mask'"):
        run(net)
