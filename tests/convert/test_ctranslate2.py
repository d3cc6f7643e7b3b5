"""CTranslate2's models: aliases are ties, and weights of 8 bits become floats."""

import numpy as np

from tenure import convert
from tests.convert.compared import FIXTURES, expected, same


def test_ctranslate2_models_are_read_with_aliases():
    found = convert.read(FIXTURES / "ctranslate2_float32")
    same(found["head/weight"], expected()["linear.weight"])
    assert found.ties == {"head/weight": "embed/weight", "head/bias": "embed/bias"}
    assert found.about["spec"] == "TestSpec" and found.about["revision"] == 2


def test_ctranslate2_weights_of_8_bits_become_floats():
    found = convert.read(FIXTURES / "ctranslate2_int8")
    assert found.tensors["embed/weight"].stored == "int8"
    rows = np.abs(expected()["linear.weight"]).max(1, keepdims=True)
    assert (np.abs(found["embed/weight"] - expected()["linear.weight"]) <= rows / 127).all()
