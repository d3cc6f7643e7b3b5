"""Layers that normalise within one example."""

import numpy as np
import pytest

from tests.network.layers.running import KEEP, LENGTHS, X, output, run


def test_layer_norm_has_scale_and_bias_of_the_features():
    result, params = run({"output": {"class": "layer_norm", "from": "data"}})
    assert {k: v.shape for k, v in params["output"].items()} == {"scale": (5,), "bias": (5,)}
    out = np.asarray(result.outputs["output"].batch_first().data)[KEEP]
    rows = X[KEEP]
    expected = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(out, expected, atol=1e-4)


@pytest.mark.parametrize("axis", ["T", ["T", "F"]])
def test_norms_over_time_see_their_own_sequence_only(axis):
    found, _ = output({"class": "norm", "axis": axis, "scale": False, "bias": False})
    axes = 0 if axis == "T" else (0, 1)
    for b, n in enumerate(LENGTHS[:2]):
        own = X[b, :n]
        expected = (own - own.mean(axes, keepdims=True)) / np.sqrt(own.var(axes, keepdims=True) + 1e-6)
        np.testing.assert_allclose(found[b, :n], expected, atol=1e-4)
