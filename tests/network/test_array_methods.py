"""Methods that TensorFlow's arrays have are there while a function runs."""

import jax.numpy as jnp

from tests.network.functions_of_configs import outputs


def test_arrays_have_these_methods_only_while_a_function_runs():
    outputs(lambda data, **_: data.placeholder * data.placeholder.get_shape().ndims, compiled=False)
    assert not hasattr(jnp.ones(2), "get_shape")
