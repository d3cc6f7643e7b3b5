"""Weights of a form: orthogonal ones, and how many free elements each has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure import stages as st
from tests.stages.cases import SQUARE, model_of


@pytest.mark.parametrize("by", ["householder", "expm"])
@pytest.mark.parametrize("shape", [(5, 5), (6, 3), (3, 6), (1, 4), (4, 1)])
def test_orthogonal_stays_orthogonal_whatever_is_stored(by, shape):
    model = model_of(jnp.asarray(np.random.default_rng(3).normal(size=shape), "float32"), [st.Orthogonal(by)])
    stored = model.plan().params["~"]["w"].shape
    out = np.asarray(
        jax.jit(model.apply)({"~": {"w": np.random.default_rng(7).normal(size=stored).astype("float32")}}, None)
    )
    gram = out.T @ out if shape[0] >= shape[1] else out @ out.T
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-5)


def test_counts_are_those_of_the_free_elements():
    for stage, count in ((st.Symmetric(), 10), (st.Triangular(), 10), (st.Orthogonal("expm"), 6), (st.LowRank(1), 8)):
        plan = model_of(SQUARE, [stage]).plan()
        assert plan.ledger.count() == count == sum(np.prod(a.shape) for a in jax.tree.leaves(plan.params))
