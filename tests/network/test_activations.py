"""Activation functions as dictionaries write them."""

import numpy as np
import pytest

from tenure import TenureError
from tenure.network.tf import activation
from tests.network.expressions_of_x import X


@pytest.mark.parametrize(
    "text, expected",
    [
        ("relu", np.maximum(X - 2, 0)),
        (None, X - 2),
        ("identity", X - 2),
        ("2 * sigmoid + 1", 2 / (1 + np.exp(-(X - 2))) + 1),
        ("tf.nn.relu(x) ** 2", np.maximum(X - 2, 0) ** 2),
        ("safe_exp", np.exp(X - 2)),
    ],
)
def test_activations(text, expected):
    assert np.allclose(activation(text)(X - 2), expected, atol=1e-6)


def test_an_unknown_activation_names_the_nearest():
    with pytest.raises(TenureError) as error:
        activation("sigmiod")
    assert "sigmoid" in error.value.near
