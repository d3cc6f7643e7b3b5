"""The optimizer state of a checkpoint in a model with other ties: filled as `untie` does, dropped as `tie` does, or refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tests.checkpoints.models import equal
from tests.checkpoints.two_weights import CELLS, EMBED, Weight, X, plan_of, saved, seen, two
from tests.surgery.test_optimizer import shampoo


def state_of(optimizer, params, steps=1):
    """The state after some steps with gradients of which each value is another."""
    state = optimizer.init(params)
    for _ in range(steps):
        state = optimizer.update(jax.tree.map(lambda p: jnp.cos(3 * p) + 2, params), state, params)[1]
    return state


def written(path, view, file, optimizer, steps=1):
    """A file of the matrix, with the state of an optimizer of its model."""
    saved(view, file, path)
    plan = plan_of(view, "tied" if file == "tied" else "untied")
    params = {"embed": {"w": EMBED}} | ({} if file == "tied" else {"head": {"w": seen(view, EMBED)}})
    state = state_of(optimizer, params, steps)
    tn.save(path, plan, params, opt_state=state, overwrite=True)
    return state


WHOLE = [(v, f, m) for v, f, m in CELLS if f in ("tied", "equal")]


@pytest.mark.parametrize("view, file, model", WHOLE)
def test_momenta_in_every_model(view, file, model, tmp_path):
    optimizer = optax.chain(optax.adam(1e-3), optax.trace(0.9))
    state = written(tmp_path / "a", view, file, optimizer)
    plan = plan_of(view, model)
    template = jax.eval_shape(optimizer.init, plan.params)
    found = tn.restore(tmp_path / "a", plan, opt_state=template)
    assert jax.tree.structure(found.opt_state) == jax.tree.structure(template)
    for tree, was in zip(
        (found.opt_state[0][0].mu, found.opt_state[0][0].nu, found.opt_state[1].trace),
        (state[0][0].mu, state[0][0].nu, state[1].trace),
    ):
        assert tree.keys() == found.params.keys()
        if "embed" in tree:
            assert np.array_equal(tree["embed"]["w"], was["embed"]["w"])
        if "head" in tree:
            lent = seen(view, was["embed"]["w"]) if file == "tied" else was["head"]["w"]
            assert np.array_equal(tree["head"]["w"], lent)
    kinds = {e.kind for e in found.report.entries if e.path.endswith("mu/embed/w") or e.path.endswith("mu/head/w")}
    same = (file, model) in (("tied", "tied"), ("equal", "untied"))
    assert kinds == (set() if same else {"filled"} if file == "tied" else {"dropped"})
    if (file, model) == ("tied", "untied"):  # as `untie` does in memory
        tied = plan_of(view, "tied")
        assert equal(found.opt_state, tn.untie(tied, {"embed": {"w": EMBED}}, "head/w", state).opt_state)
    grads = jax.tree.map(jnp.ones_like, found.params)
    optimizer.update(grads, found.opt_state, found.params)


def test_scale_and_cast_leave_momenta_alone(tmp_path):
    tied = tn.transform(two("same"), ties={"head/w": "embed/w | scale(3.0) | cast('float32')"}).plan(X)
    params = {"embed": {"w": EMBED}}
    optimizer = optax.adam(1e-3)
    state = state_of(optimizer, params)
    tn.save(tmp_path / "a", tied, params, opt_state=state)
    untied = plan_of("same", "untied")
    found = tn.restore(tmp_path / "a", untied, opt_state=jax.eval_shape(optimizer.init, untied.params))
    assert np.array_equal(found.params["head"]["w"], EMBED * 3)
    assert equal(found.opt_state, tn.untie(tied, params, "head/w", state).opt_state)


@pytest.mark.parametrize(
    "optimizer, leaf",
    [
        (optax.adafactor(1e-3, min_dim_size_to_factor=2), "v_row/head/w"),
        (optax.sm3(1e-3, momentum=0.9), "mu/head/w/0"),
        (shampoo(), "stats/head/w/preconditioners/0"),
        (optax.flatten(optax.adam(1e-3)), "0/mu"),
        (optax.lbfgs(1e-3, linesearch=None), "diff_params_memory/head/w"),
    ],
    ids=["adafactor", "sm3", "shampoo", "flatten", "lbfgs"],
)
def test_other_leaves_are_refused_by_name_with_the_way(optimizer, leaf, tmp_path):
    written(tmp_path / "a", "transpose", "tied", optimizer, steps=0)
    plan = plan_of("transpose", "untied")
    template = jax.eval_shape(optimizer.init, plan.params)
    with pytest.raises(errors.ContentError) as caught:
        tn.restore(tmp_path / "a", plan, opt_state=template)
    assert leaf in str(caught.value) and str(tmp_path / "a") in str(caught.value)
    if leaf not in ("0/mu", "diff_params_memory/head/w"):
        assert "tn.untie" in str(caught.value)
        tied = plan_of("transpose", "tied")  # the way that the error offers
        was = tn.restore(tmp_path / "a", tied, opt_state=jax.eval_shape(optimizer.init, tied.params))
        free = tn.untie(tied, was.params, "head/w", was.opt_state)
        assert jax.tree.structure(free.opt_state) == jax.tree.structure(template)


@pytest.mark.parametrize(
    "optimizer",
    [optax.adafactor(1e-3, min_dim_size_to_factor=2), optax.sm3(1e-3, momentum=0.9)],
    ids=["adafactor", "sm3"],
)
def test_a_tie_through_no_view_takes_whatever_leaves_there_are(optimizer, tmp_path):
    state = written(tmp_path / "a", "same", "tied", optimizer)
    plan = plan_of("same", "untied")
    found = tn.restore(tmp_path / "a", plan, opt_state=jax.eval_shape(optimizer.init, plan.params))
    assert equal(found.opt_state, tn.untie(plan_of("same", "tied"), {"embed": {"w": EMBED}}, "head/w", state).opt_state)


def test_gradients_that_are_being_summed(tmp_path):
    optimizer = optax.MultiSteps(optax.sgd(1e-3), 2)
    plan = plan_of("transpose", "untied")
    for steps in (1, 2):
        written(tmp_path / str(steps), "transpose", "tied", optimizer, steps)
    template = jax.eval_shape(optimizer.init, plan.params)
    with pytest.raises(errors.ContentError, match=r"acc_grads/head/w.*not finished"):
        tn.restore(tmp_path / "1", plan, opt_state=template)
    assert tn.restore(tmp_path / "2", plan, opt_state=template).opt_state.acc_grads["head"]["w"].shape == (3, 4)


def test_a_user_alone_gives_its_owner_what_the_optimizer_has(tmp_path):
    """The file's model has one of two slots, of which the other owns it now."""
    old = tn.transform(lambda x: Weight("head")((3, 4)) + x).plan(X)
    params = {"head": {"w": EMBED.T}}
    optimizer = optax.adam(1e-3)
    state = state_of(optimizer, params)
    tn.save(tmp_path / "a", old, params, opt_state=state)
    plan = plan_of("transpose", "tied")
    found = tn.restore(tmp_path / "a", plan, opt_state=jax.eval_shape(optimizer.init, plan.params))
    assert equal(found.params, {"embed": {"w": EMBED}})
    assert equal(found.opt_state[0].mu["embed"]["w"], state[0].mu["head"]["w"].T)
