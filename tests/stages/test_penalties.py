"""Penalties, by their formulas."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure import stages as st
from tests.core.staged_models import two
from tests.stages.cases import TALL, model_of


def test_penalties():
    def total(*stages):
        model = model_of(TALL, stages)
        return tn.penalty(model.plan(), model.init(0))

    np.testing.assert_allclose(total(st.L2(0.5)), 0.5 * jnp.sum(TALL**2), rtol=1e-6)
    np.testing.assert_allclose(total(st.L1(0.5)), 0.5 * jnp.sum(jnp.abs(TALL)), rtol=1e-6)
    np.testing.assert_allclose(total(st.Tikhonov(2.0)), 2 * jnp.sum((TALL[1:] - TALL[:-1]) ** 2), rtol=1e-6)
    np.testing.assert_allclose(total(st.Tikhonov(2.0, order=0)), 2 * jnp.sum(TALL**2), rtol=1e-6)
    np.testing.assert_allclose(
        total(st.WeightNorm(), st.L2(1.0), st.L1(1.0)), jnp.sum(TALL**2) + jnp.sum(jnp.abs(TALL)), rtol=1e-6
    )


def test_r27_penalties_count_a_shared_owner_once():
    model = tn.transform(two(), stages={"**": ["l2(0.5)"]})
    params = model.init(0)
    np.testing.assert_allclose(tn.penalty(model.plan(), params), 0.5 * jnp.sum(params["first"]["w"] ** 2), rtol=1e-6)
    grads = jax.grad(lambda p: tn.penalty(model.plan(), p))(params)
    np.testing.assert_allclose(grads["first"]["w"], params["first"]["w"], rtol=1e-6)
