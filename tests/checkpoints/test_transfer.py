"""Parameters brought into another model: renamed, resized, retied, strictly or not (R35, P17)."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tenure.core.errors import RuleError
from tests.checkpoints.models import KEY, TOKENS, equal, of_size, translator
from tests.surgery.test_optimizer import in_a_row, shampoo


def test_base_parameters_into_an_adapted_model_with_the_optimizer_state(old):
    """The leaves of the adapter start as they are; those of the base go on."""
    _, plan, params = old
    adapted = tn.transform(translator, stages={"source/embeddings": ["lora(2, freeze=False)"]})
    fresh = adapted.init(jax.random.key(2), TOKENS)
    optimizer = optax.adam(1e-3)
    state = optimizer.update(params, optimizer.init(params), params)[1]
    new_plan = adapted.plan(TOKENS)
    moved = tn.transfer(
        new_plan, params, old_plan=plan, params=fresh, opt_state=state, new_opt_state=optimizer.init(fresh)
    )
    assert np.allclose(adapted.apply(moved.params, None, TOKENS), of_size(11).apply(params, None, TOKENS), atol=1e-6)
    assert equal(moved.opt_state[0].mu["mix"], state[0].mu["mix"])
    assert equal(moved.opt_state[0].mu["source"]["embeddings"], state[0].mu["source"]["embeddings"])
    assert not np.asarray(moved.opt_state[0].mu["source"]["embeddings.lora.up"]).any()
    assert moved.report.of("assigned")


def test_an_optimizer_state_with_other_ties(old):
    """Momenta go through the tie; where no rule is known for a leaf, the error names it and the way."""
    _, plan, params = old
    untied = tn.transform(translator, ties={"output/w": tn.own})
    fresh = untied.init(KEY, TOKENS)

    def moved(optimizer):
        state = optimizer.update(params, optimizer.init(params), params)[1]
        given = dict(opt_state=state, new_opt_state=optimizer.init(fresh))
        return state, tn.transfer(untied.plan(TOKENS), params, old_plan=plan, **given)

    state, found = moved(optax.adam(1e-3))
    assert equal(found.opt_state[0].mu["output"]["w"], state[0].mu["source"]["embeddings"].T)
    assert {"0/mu/output/w", "0/nu/output/w", "output/w"} == set(found.report.of("filled"))
    with pytest.raises(errors.ContentError, match=r"tn\.tie or tn\.untie") as caught:
        moved(optax.adafactor(1e-3, min_dim_size_to_factor=2))
    assert "0/v_row/output/w" in str(caught.value)


JOINT = {  # optimizer, by which leaf it is refused
    "lbfgs": (optax.lbfgs(1e-3, linesearch=None), "0/diff_params_memory/"),
    "flatten": (optax.flatten(optax.adam(1e-3)), "0/mu"),
    "leaves in a row": (in_a_row(), "moments/"),
    "shampoo-like": (shampoo(), "stats/output/b/"),
}


@pytest.mark.parametrize("name", JOINT)
def test_a_vocabulary_in_another_order_and_an_optimizer_that_nothing_tells_the_rows_of(old, name):
    """Of the same size, so that no shape tells; a larger one is refused as well."""
    _, plan, params = old
    optimizer, leaf = JOINT[name]
    order = np.arange(11)[::-1].copy()
    given = dict(opt_state=optimizer.init(params), new_opt_state=optimizer.init(params))
    with pytest.raises(errors.ContentError, match="cannot go into another model") as caught:
        tn.transfer(plan, params, params=params, resize={"source/embeddings": order, "output/b": order}, **given)
    assert f"'{leaf}" in str(caught.value)
    fresh = of_size(14).init(KEY, TOKENS)
    given["new_opt_state"] = optimizer.init(fresh)
    with pytest.raises(errors.ContentError, match=leaf):
        tn.transfer(of_size(14).plan(TOKENS), params, params=fresh, resize=["source/embeddings", "output/b"], **given)


def test_an_optimizer_state_of_other_params_is_refused(old):
    """Also where it would fit the new model, or no size is changed."""
    _, plan, params = old
    fresh = of_size(14).init(KEY, TOKENS)
    optimizer = optax.adam(1e-3)
    given = dict(opt_state=optimizer.init(fresh), new_opt_state=optimizer.init(fresh))
    with pytest.raises(errors.ContentError, match="'0/mu/output/b' is"):
        tn.transfer(of_size(14).plan(TOKENS), params, params=fresh, resize=["source/embeddings", "output/b"], **given)
    with pytest.raises(errors.ContentError, match="'0/mu/output/b' is"):
        tn.transfer(plan, params, **given)


def test_old_params_that_are_not_of_the_old_plan(old):
    _, plan, params = old
    with pytest.raises(errors.ContentError, match="elsewhere/w"):
        tn.transfer(plan, {**params, "elsewhere": {"w": jnp.ones(2)}}, old_plan=plan)


@pytest.mark.parametrize(
    "optimizer",
    [optax.adam(1e-3), optax.adafactor(1e-3, min_dim_size_to_factor=2), optax.sm3(0.1, 0.9)],
    ids=["adam", "adafactor", "sm3"],
)
def test_a_vocabulary_in_another_order_takes_its_optimizer_state_along(old, optimizer):
    """Of the same size, so that no shape tells."""
    model, plan, params = old
    grads = jax.grad(lambda p: (model.apply(p, None, TOKENS) ** 2).sum())(params)
    state = optimizer.update(grads, optimizer.init(params), params)[1]
    order = np.random.RandomState(0).permutation(11)

    def ordered(tree):
        return jax.tree.map(lambda a: a[order] if jnp.shape(a)[:1] == (11,) else a, tree)

    moved = tn.transfer(
        plan,
        params,
        params=params,
        resize={"source/embeddings": order, "output/b": order},
        opt_state=state,
        new_opt_state=optimizer.init(params),
    )
    assert not equal(params, ordered(params)) and equal(moved.params, ordered(params))
    assert not equal(state, ordered(state)) and equal(moved.opt_state, ordered(state))
    logits = model.apply(params, None, TOKENS * 0 + order[3])[..., order]
    assert np.allclose(model.apply(moved.params, None, TOKENS * 0 + 3), logits, atol=1e-6)


def test_another_order_is_never_half_done(old):
    _, plan, params = old
    order = np.arange(11)[::-1]
    with pytest.raises(errors.ContentError, match="nothing says the values of new ones"):
        tn.transfer(plan, params, resize={"source/embeddings": order})
    adapted = tn.transform(translator, stages={"source/embeddings": ["lora(2)"]})
    fresh = adapted.init(KEY, TOKENS)
    with pytest.raises(RuleError, match="does not say what becomes of 'source/embeddings.lora.down'"):
        there = adapted.plan(TOKENS)
        tn.transfer(there, fresh, old_plan=there, params=fresh, resize={"source/embeddings": order})
    with pytest.raises(RuleError, match="other rows and other stages"):
        tn.transfer(adapted.plan(TOKENS), params, params=fresh, resize={"source/embeddings": order})
