"""A leaf of params that is missing, or that is no array, is named by its path."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn

KEY = jax.random.key(0)
X = jnp.ones((2, 4))


def linear(x):
    return nn.Linear(3)(x)


MODEL = tn.transform(linear)
PARAMS = MODEL.init(KEY, X)


@pytest.mark.parametrize(
    "leaf",
    [
        [[1.0] * 3] * 4,
        3.0,
        "w",
        None,
        {"a": 1},
        np.full((4, 3), None),
        np.full((4, 3), "x"),
        jax.ShapeDtypeStruct((4, 3), jnp.float32),
        object(),
        b"bytes",
    ],
    ids=["list", "number", "string", "None", "dict", "objects", "strings", "shape", "object", "bytes"],
)
@pytest.mark.parametrize("stages", [{}, {"linear/w": ["weight_norm"]}])
def test_a_leaf_that_is_no_array_is_named(leaf, stages):
    model = tn.transform(linear, stages=stages)
    params = model.init(KEY, X)
    params["linear"]["w"] = leaf
    with pytest.raises(tn.TenureError, match="linear/w") as error:
        model.apply(params, None, X)
    assert "array" in str(error.value)


def test_params_as_flax_users_hand_them():
    for params in ({"params": PARAMS}, {"params": PARAMS, "batch_stats": {}}):
        with pytest.raises(tn.errors.MissingParameterError, match="'params'") as error:
            MODEL.apply(params, None, X)
        assert "params['params']" in str(error.value) and "Flax" in str(error.value)


def test_a_module_may_still_be_called_params():
    model = tn.transform(lambda x: nn.Linear(3, name="params")(x))
    assert model.apply(model.init(KEY, X), None, X).shape == (2, 3)


def test_missing_adapters_are_not_offered_a_tie():
    model = tn.transform(linear, stages={"linear/w": ["lora(2)"]})
    with pytest.raises(tn.errors.MissingParameterError, match="linear/w.lora.down") as error:
        model.apply(PARAMS, None, X)
    assert "ties" not in str(error.value) and "lora(2)" in str(error.value) and "init" in str(error.value)
