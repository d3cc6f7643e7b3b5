"""Products of two tensors, by dim."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.running import KEEP, LENGTHS, X, run

W = {"w": {"class": "linear", "n_out": 5, "activation": None, "with_bias": False, "from": "data"}}


def outputs(options, **more):
    result, _ = run({**W, **more, "output": {"class": "dot", **options}})
    return [np.asarray(result.outputs[name].batch_first().data) for name in ("output", "w") if name in result.outputs]


def test_axes_that_both_have_stay():
    found, w = outputs({"from": ["data", "w"], "reduce": "F"})
    np.testing.assert_allclose(found[KEEP], (X * w).sum(-1)[KEEP], rtol=1e-4, atol=1e-5)


def test_what_is_beyond_the_end_is_not_in_a_sum_over_time():
    found, w = outputs({"from": ["data", "w"], "reduce": "T", "var1": "auto", "var2": "auto"})
    for b, n in enumerate(LENGTHS):
        np.testing.assert_allclose(found[b], np.einsum("tf,tf->f", X[b, :n], w[b, :n]), rtol=1e-4, atol=1e-5)


def test_an_axis_that_only_one_has():
    total = {"sum": {"class": "reduce", "mode": "sum", "axis": "T", "from": "data"}}
    (found,) = outputs({"from": ["data", "sum"], "reduce": "F"}, **total)
    sums = np.stack([X[b, :n].sum(0) for b, n in enumerate(LENGTHS)])
    np.testing.assert_allclose(found[KEEP], np.einsum("btf,bf->bt", X, sums)[KEEP], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"from": ["data"], "reduce": "F"}, "two inputs"),
        ({"from": ["data", "w"]}, "'reduce'"),
        ({"from": ["data", "w"], "reduce": "F", "red1": "F"}, "says it already"),
    ],
)
def test_what_cannot_be(options, says):
    with pytest.raises(TenureError, match=says):
        outputs(options)
