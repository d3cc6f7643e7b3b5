"""Requirements that are about one situation each; the ones about every model are in test_zoo.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.core import errors
from tests.core.zoo import ZOO, Dense

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_r15_untie_and_tie_are_inverse_and_keep_the_outputs_and_the_optimizer():
    import optax

    entry = ZOO["transitive"]
    model = tn.transform(entry.function)
    plan, params = model.plan(X), model.init(0, X)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-2))
    state = optimizer.init(params)
    grads = jax.grad(lambda p: (model.apply(p, None, X) ** 2).sum())(params)
    _, state = optimizer.update(grads, state, params)

    ties, untied, untied_state, _ = tn.untie(plan, params, "output_prob/w", state)
    free = tn.transform(entry.function, ties=ties)
    np.testing.assert_array_equal(free.apply(untied, None, X), model.apply(params, None, X))
    np.testing.assert_array_equal(untied["output_prob"]["w"], params["source_embed"]["w"].T)
    mu = untied_state[1][0].mu
    np.testing.assert_array_equal(mu["output_prob"]["w"], state[1][0].mu["source_embed"]["w"].T)
    assert jax.tree.structure(free.init(0, X)) == jax.tree.structure(untied)
    optimizer.update(untied, untied_state, untied)  # the structure fits

    again = tn.tie(free.plan(X), untied, {"output_prob/w": "source_embed/w | transpose"}, untied_state)
    retied = tn.transform(entry.function, ties=again.ties)
    np.testing.assert_array_equal(retied.apply(again.params, None, X), model.apply(params, None, X))
    assert jax.tree.structure(again.opt_state) == jax.tree.structure(state)

    untied["output_prob"]["w"] = untied["output_prob"]["w"] + 0.25
    with pytest.raises(errors.TieValueError, match=r"0\.25") as e:
        tn.tie(free.plan(X), untied, {"output_prob/w": "source_embed/w | transpose"})
    assert "take='output_prob/w'" in str(e.value)
    kept = tn.tie(free.plan(X), untied, {"output_prob/w": "source_embed/w | transpose"}, take="output_prob/w")
    np.testing.assert_array_equal(kept.params["source_embed"]["w"], untied["output_prob"]["w"].T)


def test_r28_freezing_for_one_use_only():
    entry = ZOO["frozen use"]
    model = tn.transform(entry.function)
    params = model.init(0, X)
    assert model.plan(X).ledger["head/w"].views == ("stop_gradient",)

    def by_hand(params):
        hidden = X @ params["embed"]["w"] + params["embed"]["b"]
        return hidden @ jax.lax.stop_gradient(params["embed"]["w"]) + params["head"]["b"]

    got = jax.grad(lambda p: (model.apply(p, None, X) ** 2).sum())(params)
    expected = jax.grad(lambda p: (by_hand(p) ** 2).sum())(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), got, expected)


def test_r40_an_explicit_constraint_for_one_use():
    def f(x):
        first = Dense(4, name="first")
        return Dense(4, share={"w": first.ref("w") | "constrain('model', None)"}, name="user")(first(x))

    model = tn.transform(f)
    params = model.init(0, X)
    mesh = jax.make_mesh((1,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
    with jax.set_mesh(mesh):
        assert "sharding_constraint" in str(jax.make_jaxpr(model.apply)(params, None, X))
    assert model.apply(params, None, X).shape == X.shape
