"""What stages do to a value is computed once for all users, and only where it is used."""

import jax
import jax.numpy as jnp

import tenure as tn
from tenure import nn
from tenure import stages as st
from tests.core.staged_models import KEY, X


def test_r19_once_per_apply():
    def f(x):
        first = nn.Linear(4, name="first", with_bias=False)
        for i in range(5):
            x = nn.Linear(4, name=f"user_{i}", with_bias=False, share={"w": first.ref("w")})(first(x))
        return x

    model = tn.transform(f, stages={"**/w": ["noise(0.1)"]})
    params = model.init(0, X)
    text = str(jax.make_jaxpr(model.apply)(params, KEY, X))
    assert text.count("random_bits") == 1 and text.count("erf_inv") == 1


def test_an_owner_that_is_not_used_costs_nothing_in_the_compiled_program():
    def f(x, extra):
        y = nn.Linear(4, name="used")(x)
        if extra:
            nn.Linear(64, name="unused")(x)
        return y

    def compiled(extra):
        model = tn.transform(f, stages={"**/w": ["weight_norm", "noise(0.1)"]})
        params = model.init(0, X, extra)
        return jax.jit(lambda p, k, x: model.apply(p, k, x, extra)).lower(params, KEY, X).compile()

    assert compiled(True).cost_analysis()["flops"] == compiled(False).cost_analysis()["flops"]


def test_remat_of_a_stage_is_one_option_and_keeps_nothing():
    def residuals(remat):
        model = tn.transform(
            lambda x: nn.Linear(64, name="l", with_bias=False)(x),
            stages={"l/w": [st.WeightNorm(remat=remat), st.Noise(0.1, relative=True, remat=remat)]},
        )
        x = jnp.ones((2, 64))
        params = model.init(0, x)
        _, vjp = jax.vjp(lambda p: model.apply(p, KEY, x), params)
        return sum(leaf.size for leaf in jax.tree.leaves(vjp))

    assert residuals(True) < residuals(False)
