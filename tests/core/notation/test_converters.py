"""What a view takes: converters to plain data."""

import jax.numpy as jnp
import numpy as np
import pytest

from tenure.core.notation import converters as c

TAKEN = [
    (c.integer, np.int64(3), 3),
    (c.number, np.float32(0.5), 0.5),
    (c.number, 2, 2.0),
    (c.maybe_integer, None, None),
    (c.integers, ([1, 2],), (1, 2)),
    (c.integers, (1, -2), (1, -2)),
    (c.permutation, (-1, 0), (1, 0)),
    (c.dtype_name, jnp.bfloat16, "bfloat16"),
    (c.dtype_name, "float32", "float32"),
    (c.dtype_name, np.dtype(bool), "bool"),
    (c.mesh_axes, ["x", None, ["y", "z"]], ("x", None, ("y", "z"))),
    (c.plain, [np.float32(1), [True, "a"]], (1.0, (True, "a"))),
]
REFUSED = [
    (c.integer, True),
    (c.integer, 1.0),
    (c.integer, 2**63),
    (c.number, True),
    (c.number, float("nan")),
    (c.number, "1"),
    (c.text, 3),
    (c.integers, "12"),
    (c.permutation, (0, 0)),
    (c.dtype_name, "floaty"),
    (c.dtype_name, "U3"),
    (c.mesh_axes, "xy"),
    (c.plain, object()),
]


@pytest.mark.parametrize(("convert", "value", "expected"), TAKEN)
def test_taken(convert, value, expected):
    found = convert(value)
    assert found == expected and type(found) is type(expected)
    hash(found)


@pytest.mark.parametrize(("convert", "value"), REFUSED)
def test_refused(convert, value):
    with pytest.raises((TypeError, ValueError, OverflowError)):
        convert(value)
