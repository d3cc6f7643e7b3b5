"""`their name | view | view`: a tensor of a file, seen through views."""

import numpy as np
import pytest

from tenure.convert.errors import MapError
from tenure.convert.names import parse, seen, seen_shape
from tenure.core.errors import UnknownViewError

W = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w", W),
        ("w | transpose", W.T),
        ("w | reshape(3, 2)", W.reshape(3, 2)),
        ("w | slice(0, 1) | cast('float16')", W[:1].astype("float16")),
        ("w | scale(2)", 2 * W),
        ("w | concat('v | transpose', axis=0)", np.concatenate([W, 7 * np.ones((1, 3))])),
    ],
)
def test_values_and_shapes(text, expected):
    name, steps = parse(text)
    found = seen({"w": W, "v": 7 * np.ones((3, 1))}, name, steps)
    assert name == "w" and found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    if "concat" not in text:
        assert seen_shape(W.shape, steps) == expected.shape


def test_a_view_that_does_not_fit_names_the_tensor_and_what_it_is_for():
    with pytest.raises(MapError, match=r"reshape\(4, 2\)' does not fit 'w'") as error:
        seen({"w": W}, *parse("w | reshape(4, 2)"), "head/w")
    assert "head/w" in str(error.value) and "(2, 3) float64" in str(error.value)
    with pytest.raises(UnknownViewError):
        parse("w | transposed")
