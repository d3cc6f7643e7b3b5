"""Layers that reduce axes: what is beyond a sequence's end does not count."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.running import LENGTHS, X, output


@pytest.mark.parametrize("mode", ["sum", "max", "min", "mean", "prod"])
@pytest.mark.parametrize("axis", ["T", "F", ["T", "F"]])
def test_values(mode, axis):
    found, _ = output({"class": "reduce", "mode": mode, "axis": axis})
    axes = tuple({"T": 0, "F": 1}[a] for a in axis)
    for b, n in enumerate(LENGTHS):
        expected = getattr(np, mode)(X[b, :n], axis=axes)
        np.testing.assert_allclose(found[b, :n] if axis == "F" else found[b], expected, rtol=1e-5, atol=1e-6)


def test_axes_are_kept_with_size_one_if_asked_for():
    assert output({"class": "reduce", "mode": "max", "axis": "T", "keep_dims": True})[0].shape == (3, 1, 5)


def test_maxout_takes_neighbours():
    found, _ = output({"class": "reduce_out", "mode": "max", "num_pieces": 5})
    np.testing.assert_array_equal(found[..., 0], X.max(-1))
    with pytest.raises(TenureError, match="cannot be divided"):
        output({"class": "reduce_out", "mode": "max", "num_pieces": 2})


def test_norms():
    found, _ = output({"class": "math_norm", "p": 3, "axis": "F"})
    np.testing.assert_allclose(found, (np.abs(X) ** 3).sum(-1) ** (1 / 3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "median", "axis": "T"}, "no such reduction"),
        ({"mode": "sum", "axis": "T", "axes": "T"}, "'axis' says it already"),
        ({"mode": "sum", "axis": "T", "from": "data:classes"}, "cannot be reduced"),
    ],
)
def test_what_cannot_be(options, says):
    with pytest.raises(TenureError, match=says):
        output({"class": "reduce", **options})
