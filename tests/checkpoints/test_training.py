"""What a run continues with: the optimizer's state and the model's."""

import jax.numpy as jnp
import optax
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tests.checkpoints.models import KEY, counted


def test_a_state_that_is_not_the_plans_is_refused(tmp_path):
    net = tn.transform_with_state(counted)
    plan = net.plan(jnp.ones(4))
    params, state = net.init(KEY, jnp.ones(4))
    wrong = {
        "unknown  ~/m": {"~": {"m": state["~"]["n"]}},
        "missing  ~/n": {},
        r"misfit  ~/n  \(2,\) int32, and the plan has \(\) int32": {"~": {"n": jnp.zeros(2, int)}},
        r"misfit  ~/n  \(\) float32": {"~": {"n": jnp.zeros(())}},
        "unknown  other/n": {**state, "other": state["~"]},
    }
    for text, given in wrong.items():
        for known in (plan, plan.ledger):
            with pytest.raises(errors.ContentError, match=text):
                tn.save(tmp_path / "a", known, params, state=given)
    plain = tn.transform(lambda x: tn.nn.Linear(3, name="linear")(x)).plan(jnp.ones(4))
    with pytest.raises(errors.ContentError, match="unknown  ~/n"):
        tn.save(tmp_path / "a", plain, params, state=state)
    assert not list(tmp_path.iterdir())


def test_another_optimizer_is_an_error_that_names_its_leaves(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params, opt_state=optax.adam(1e-3).init(model.params))
    with pytest.raises(errors.ContentError, match="unexpected  0/mu/mix/w"):
        tn.restore(path, model.plan, opt_state=optax.sgd(1e-3, momentum=0.9).init(model.params))
    assert tn.restore(path, model.plan).opt_state is None
    bare = tn.save(tmp_path / "bare", model.plan, model.params)
    with pytest.raises(errors.ContentError, match="holds no optimizer state"):
        tn.restore(bare, model.plan, opt_state=model.opt_state)
