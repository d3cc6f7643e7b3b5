"""Leaves that a model lacks in a file get the shapes of the model."""

import jax.numpy as jnp
import pytest

import tenure as tn
from tenure.checkpoints import errors


def test_what_params_gives_for_missing_leaves_has_the_shape_of_the_model(old):
    _, plan, params = old
    for given in ({"mix": params["mix"]}, {**params, "output": {"b": jnp.ones(3)}}):
        wrong = {**params, "output": {"b": jnp.ones(7)}}
        with pytest.raises(errors.ContentError, match=r"params= has \(7,\) for 'output/b', which is \(11,\)"):
            tn.transfer(plan, given, params=wrong, strict=False)
