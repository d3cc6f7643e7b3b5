"""A function as pure functions, in training and in evaluation."""

import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn
from tests.core.staged_models import (
    KEY,
    Weight,
    X,
)


def deep(order=(0, 1, 2), borrower=False):
    def f(x):
        layers = {i: nn.Linear(4, name=f"l{i}") for i in order}
        for i in range(3):
            x = layers[i](x)
        if borrower:
            x = x + 0 * nn.Linear(4, name="late", share={"w": layers[0].ref("w")})(x)
        return x

    return f


def test_r23_evaluation_is_the_identity():
    model = tn.transform(deep(), stages={"*/w": ["noise(0.1)", "dropout(0.5)"]})
    params = model.init(0, X)
    np.testing.assert_array_equal(
        tn.evaluation(model).apply(params, None, X), tn.transform(deep()).apply(params, None, X)
    )
    with pytest.raises(tn.errors.MissingRNGError, match="tn.evaluation"):
        model.apply(params, None, X)


def test_training_and_evaluation_in_one_apply():
    def f():
        module = Weight(name="m", stages={"w": ["noise(0.1)"]})
        with tn.training(False):
            quiet = module()
        return module(), quiet

    model = tn.transform(f)
    params = model.init(0)
    noisy, quiet = model.apply(params, KEY)
    np.testing.assert_array_equal(quiet, params["m"]["w"])
    assert not jnp.any(noisy == quiet)
