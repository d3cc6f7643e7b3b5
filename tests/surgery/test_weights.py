"""Plain weights: read through the stages, and put back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn

X = jnp.ones((2, 4))


def model(**stages):
    def f(x):
        first = tn.nn.Linear(4, with_bias=False, name="first")
        return tn.nn.Linear(4, with_bias=False, name="second", share={"w": first.ref("w").T})(first(x))

    return tn.transform(f, stages=stages or None)


@pytest.mark.parametrize("stage", ["weight_norm", "lora(2)", "low_rank(4)", "noise(0.1)"])
def test_a_weight_that_is_put_in_comes_out(stage):
    staged = model(**{"first/w": [stage]})
    plan, params = staged.plan(X), staged.init(0, X)
    weight = jax.random.normal(jax.random.key(1), (4, 4))
    moved = tn.assign(plan, params, {"first/w": weight})
    found = tn.weights(plan, moved)
    np.testing.assert_allclose(found["first"]["w"], weight, atol=1e-5)
    assert list(found) == ["first"]  # owners only
    assert jax.tree.structure(moved) == jax.tree.structure(params)


def test_penalties_are_summed_over_owners():
    staged = model(**{"first/w": ["l2(0.5)", "l1(0.25)"]})
    params = staged.init(0, X)
    w = params["first"]["w"]
    expected = 0.5 * jnp.sum(w**2) + 0.25 * jnp.sum(jnp.abs(w))
    np.testing.assert_allclose(tn.penalty(staged.plan(X), params), expected, rtol=1e-5)
    assert tn.penalty(model().plan(X), model().init(0, X)) == 0


@pytest.mark.parametrize(("path", "says"), [("second/w", "borrow"), ("frist/w", "first/w")])
def test_only_owners_are_assigned_to(path, says):
    plain = model()
    with pytest.raises(tn.TenureError, match=says):
        tn.assign(plain.plan(X), plain.init(0, X), {path: jnp.eye(4)})
