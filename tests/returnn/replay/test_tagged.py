"""Values that JSON has no words for."""

import pytest

from tenure.returnn.replay.tagged import OpaqueValueError, decode


def test_tagged_values():
    assert decode(
        {"__type__": "dict", "v": [[{"__type__": "tuple", "v": [1]}, {"__type__": "float", "v": "nan"}]]}, {}
    ).keys() == {(1,)}
    assert decode({"__type__": "ndarray", "dtype": "int32", "shape": [1, 2], "v": [1, 2]}, {}).tolist() == [[1, 2]]
    assert decode({"__type__": "function", "name": "f", "source": "lambda x: x + 1"}, {})(1) == 2
    with pytest.raises(OpaqueValueError):
        decode({"__type__": "opaque", "repr": "?"}, {})
