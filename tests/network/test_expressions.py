"""Expressions as data: what they may do, and what they may not."""

import jax
import numpy as np
import pytest

from tenure.network.expressions import ExpressionError, parse
from tenure.network.tf import tf
from tenure.network.tf.static import UnknownTensorFlowError
from tests.network.expressions_of_x import X, run


def test_the_message_shows_the_expression_and_the_nearest_name():
    with pytest.raises(ExpressionError, match="'sorce' is unknown") as error:
        run("sorce(0) + 1", source=lambda i: X)
    assert error.value.near[0] == "source"
    with pytest.raises(UnknownTensorFlowError) as error:
        run("tf.nn.rellu(x)")
    assert error.value.near[0] == "relu"


def test_a_failing_operation_is_an_error_of_the_expression():
    with pytest.raises(ExpressionError, match="fails with ValueError"):
        run("x + tf.zeros([7])")


def test_sizes_stay_known_under_jit():
    expression = parse(
        "tf.ones(tf.shape(x)) + tf.reshape(x, [tf.shape(x)[0], -1]) * tf.cast(tf.shape(x)[1], tf.float32)"
    )
    found = jax.jit(lambda x: expression({"tf": tf, "x": x}))(X)
    assert np.allclose(found, 1 + X * 3)
