"""Modules and functions that arrange others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn
from tests.nn.small import apply

X = jnp.arange(24.0).reshape(2, 3, 4)


def test_a_sequence_of_layers_hands_further_arguments_to_the_first():
    layers = [lambda x, scale, *, shift: x * scale + shift, jnp.tanh]
    np.testing.assert_array_equal(apply(lambda x: nn.Sequential(layers)(x, 2.0, shift=1.0), X), jnp.tanh(2 * X + 1))
    assert apply(lambda x: nn.Sequential([])(x), X) is not None


def test_shapes_that_stay_and_shapes_that_change():
    assert apply(lambda x: nn.Reshape((2, -1))(x), X).shape == (2, 2, 6)
    assert apply(lambda x: nn.Flatten(preserve_dims=2)(x), X).shape == (2, 3, 4)
    assert apply(lambda x: nn.Flatten()(x), X[:, 0, 0]).shape == (2,)
    for wrong in (lambda: nn.Reshape((2,), preserve_dims=0), lambda: nn.Reshape((-1, -1))):
        with pytest.raises(ValueError):
            tn.transform(wrong).plan()


def test_a_batch_of_several_axes_is_one_for_the_function():
    seen = []

    def function(x, factor):
        seen.append(x.shape)
        return x.sum(-1) * factor

    found = nn.BatchApply(function)(X, 2.0)
    assert seen == [(6, 4)] and found.shape == (2, 3)
    np.testing.assert_array_equal(found, 2 * X.sum(-1))
    with pytest.raises(ValueError, match="at least 2 axes"):
        nn.BatchApply(function)(jnp.ones(3), 2.0)


@pytest.mark.parametrize("axis", [0, -1])
def test_an_axis_that_only_the_function_sees(axis):
    shapes = []
    nn.expand_apply(lambda x: (shapes.append(x.shape), x)[1], axis)(X[0])
    assert shapes == [(1, 3, 4) if axis == 0 else (3, 4, 1)]
    with pytest.raises(ValueError, match="axis=0 or axis=-1"):
        nn.expand_apply(jax.nn.relu, 1)


def test_one_hot_has_zeros_for_what_is_no_class():
    found = nn.one_hot(jnp.array([1, 5, -1]), 3, jnp.bfloat16)
    assert found.dtype == jnp.bfloat16 and found.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
