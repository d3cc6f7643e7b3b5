"""ONNX: the initialisers of a graph, inside of the file and beside it."""

import numpy as np
import pytest

from tenure import convert
from tests.convert.compared import FIXTURES, expected, same


@pytest.mark.parametrize("file", ["onnx.onnx", "outside.onnx"])
def test_onnx_initialisers_are_read(file):
    found = convert.read(FIXTURES / file)
    for name, value in expected().items():
        same(found[name], value)
    assert found["listed"].tolist() == [[1, 2], [3, 4]]
    same(found["listed_half"], np.array([1, -2], "float16"))
    same(found["listed_int"], np.array([-1, 2**40]))
