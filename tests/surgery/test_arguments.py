"""What the pure functions on plans and params take is said at once."""

import jax.numpy as jnp
import pytest

import tenure as tn
from tenure.core.errors import TreeError

MODEL = tn.transform(lambda x: tn.nn.Linear(3)(x))
PLAN, PARAMS = MODEL.plan(jnp.ones(2)), MODEL.init(0, jnp.ones(2))


@pytest.mark.parametrize(
    "function", [tn.weights, tn.penalty, tn.tie, tn.untie, tn.merge, tn.assign], ids=lambda f: f.__name__
)
def test_a_plan_comes_first_and_then_params(function):
    with pytest.raises(tn.TenureError, match=rf"tn\.{function.__name__} takes a plan first, not 3"):
        function(3, PARAMS, {})
    with pytest.raises(TreeError, match="params must be"):
        function(PLAN, [1], {})
