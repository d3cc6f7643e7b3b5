"""A plan is data: it survives pickle and deepcopy."""

import copy

import pytest

import tenure as tn
from tests.core.copied_models import KEY, X, copied, same, tied


@pytest.mark.parametrize("stages", [{}, {"embed/w": ["weight_norm", "lora(2)"]}])
def test_a_plan_is_copied(stages):
    model = tn.transform_with_state(tied, stages=stages)
    params, state = model.init(KEY, X)
    plan, other = model.plan(X), copied(model.plan(X))
    assert other.ledger == plan.ledger and str(other.out) == str(plan.out) and other.params == plan.params
    assert other.state == plan.state and other.ties == plan.ties
    assert same(tn.weights(other, params, state), tn.weights(plan, params, state))
    assert same(
        tn.untie(other, params, "head/w", state=state).params, tn.untie(plan, params, "head/w", state=state).params
    )
    assert copy.deepcopy(plan).ledger == plan.ledger
