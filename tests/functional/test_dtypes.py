"""Numbers of a given dtype."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional.dtypes import typed


@pytest.mark.parametrize("value", [1, 0.5, np.float64(2), np.int8(3)])
def test_numbers_become_numpys_and_no_equation(value):
    found = typed(value, jnp.bfloat16)
    assert isinstance(found, np.ndarray) and found.dtype == jnp.bfloat16 and found == value
    assert len(jax.make_jaxpr(lambda x: x * typed(value, x.dtype))(jnp.ones(2)).eqns) == 1


def test_arrays_are_converted():
    assert typed(jnp.ones(2), "float16").dtype == jnp.float16
