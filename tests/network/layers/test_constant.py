"""Layers without inputs: lengths are what they are."""

import numpy as np

from tests.network.layers.running import LENGTHS, output


def test_lengths_are_what_they_are():
    """RETURNN gives the lengths themselves, whatever 'dtype' and 'sparse' say."""
    found, tensor = output({"class": "length", "dtype": "float32", "sparse": True})
    assert found.dtype == "int32" and not tensor.sparse
    np.testing.assert_array_equal(found, LENGTHS)
