"""Layers that take tensors apart along an axis, and put them together."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.running import LENGTHS, X, lengths, output, run


def test_sequences_are_joined_without_padding_in_between():
    net = {"double": {"class": "eval", "eval": "source(0) * 2", "from": "data"}}
    result, _ = run({**net, "output": {"class": "concat", "from": [("data", "T"), ("double", "T")]}})
    tensor = result.outputs["output"].batch_first()
    assert lengths(tensor, 1).tolist() == (2 * LENGTHS).tolist()
    for b, n in enumerate(LENGTHS):
        np.testing.assert_allclose(tensor.data[b, : 2 * n], np.concatenate([X[b, :n], 2 * X[b, :n]]), rtol=1e-6)


@pytest.mark.parametrize("options", [{"num_splits": 5}, {"size_splits": [2, 3]}])
def test_parts_of_the_features(options):
    sizes = options.get("size_splits", [1] * 5)
    net = {"s": {"class": "split", "axis": "F", "from": "data", **options}}
    net |= {f"p{i}": {"class": "copy", "from": f"s/{i}", "is_output_layer": True} for i in range(len(sizes))}
    result, _ = run({**net, "output": {"class": "copy", "from": "s"}})
    parts = np.split(X, np.cumsum(sizes)[:-1], axis=-1)
    for i, expected in enumerate(parts):
        np.testing.assert_array_equal(result.outputs[f"p{i}"].batch_first().data, expected)
    with pytest.raises(TenureError, match="cannot be divided|are not 5 together"):
        run(
            {
                "s": {
                    "class": "split",
                    "axis": "F",
                    "from": "data",
                    **{k: 3 if k == "num_splits" else [3, 3] for k in options},
                }
            }
        )


@pytest.mark.parametrize(
    ("start", "end", "step"), [(1, None, None), (None, 3, None), (0, -1, None), (1, None, 2), (None, None, -1)]
)
def test_slices_are_those_of_each_sequence(start, end, step):
    found, tensor = output({"class": "slice", "axis": "T", "slice_start": start, "slice_end": end, "slice_step": step})
    for b, n in enumerate(LENGTHS):
        expected = X[b, :n][slice(start, end, step)]
        if len(expected):
            np.testing.assert_array_equal(found[b, : len(expected)], expected)
    assert end == 3 or lengths(tensor, 1).tolist() == [len(range(n)[slice(start, end, step)]) for n in LENGTHS]


@pytest.mark.parametrize(("mode", "numpy"), [("constant", "constant"), ("reflect", "reflect"), ("replication", "edge")])
def test_padding_is_put_at_the_end_of_each_sequence(mode, numpy):
    found, tensor = output({"class": "pad", "axes": "T", "padding": (1, 2), "mode": mode, "value": 0})
    assert lengths(tensor, 1).tolist() == (LENGTHS + 3).tolist()
    for b, n in enumerate(LENGTHS[:2]):
        np.testing.assert_array_equal(found[b, : n + 3], np.pad(X[b, :n], ((1, 2), (0, 0)), mode=numpy))
    with pytest.raises(TenureError, match="no such mode"):
        output({"class": "pad", "axes": "T", "padding": (1, 2), "mode": "mirror"})
