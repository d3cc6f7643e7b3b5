"""The state of other params is refused by `tie` and `untie`, by the name of a leaf; that of a part of the params is not."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tenure as tn
from tenure.core.errors import OptimizerStateError
from tests.surgery.test_optimizer import X, function, labels, same_layout

TIES = {"head/w": "embed/w | transpose"}
PARAMS = {"embed": {"w": jnp.arange(24.0).reshape(6, 4)}, "other": {"w": jnp.arange(5.0)}}
FREE = {**PARAMS, "head": {"w": PARAMS["embed"]["w"].T}}
ADAM = optax.adam(1e-3)
OTHERS = {  # params → the leaf that the error names
    "another model's": ({"encoder": {"w": jnp.ones((6, 4))}}, "0/mu/encoder/w"),
    "one module more": ({**PARAMS, "late": {"w": jnp.ones(2)}}, "0/mu/late/w"),
    "another name": ({**PARAMS, "other": {"b": jnp.ones(5)}}, "0/mu/other/b"),
    "another size, elsewhere": ({**PARAMS, "other": {"w": jnp.ones(7)}}, "0/mu/other/w"),
    "another size": ({**PARAMS, "embed": {"w": jnp.ones((9, 4))}}, "0/mu/embed/w"),
    "deeper dicts": ({"params": {"Dense_0": {"kernel": jnp.ones((6, 4))}}}, "0/mu/params/Dense_0/kernel"),
}


@pytest.fixture(scope="module")
def plans():
    return SimpleNamespace(
        tied=tn.transform(function("transpose"), ties=TIES).plan(X), free=tn.transform(function("transpose")).plan(X)
    )


@pytest.mark.parametrize("case", OTHERS)
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"inner": s, "seen": jnp.zeros(3)}], ids=["bare", "in a dict"])
def test_the_state_of_other_params_is_refused_by_the_leaf(plans, case, wrap):
    params, leaf = OTHERS[case]
    state = wrap(ADAM.init(params))
    for act in (
        lambda: tn.untie(plans.tied, PARAMS, "head/w", state),
        lambda: tn.tie(plans.free, FREE, TIES, state),
    ):
        with pytest.raises(OptimizerStateError, match="not one of these params") as caught:
            act()
        assert leaf in str(caught.value)


def test_an_optimizer_of_a_part_of_the_params(plans):
    """What is not trained has no entries: a new owner gets one if its lender has."""
    for part in (["embed"], ["other"], ["embed", "other"]):
        optimizer = optax.chain(ADAM, optax.scale_by_factored_rms(min_dim_size_to_factor=2))
        state = optimizer.init({m: PARAMS[m] for m in part})
        free = tn.untie(plans.tied, PARAMS, "head/w", state)
        expected = part + ["head"] * ("embed" in part)
        same_layout(free.opt_state, optimizer.init({m: free.params[m] for m in free.params if m in expected}))
        same_layout(tn.tie(plans.free, FREE, TIES, free.opt_state).opt_state, state)


def test_what_is_no_tree_of_params_is_left_alone(plans):
    state = {"adam": ADAM.init(PARAMS), "stats": {"loss": {"curve": jnp.arange(3.0)}}, "rate": {"now": jnp.ones(2)}}
    free = tn.untie(plans.tied, PARAMS, "head/w", state).opt_state
    assert np.array_equal(free["stats"]["loss"]["curve"], jnp.arange(3.0)) and "head" in free["adam"][0].mu
    assert tn.untie(plans.tied, PARAMS, "head/w", optax.sgd(1e-3).init(PARAMS)).opt_state is not None


def group(module):
    return "slow" if module == "head" else "fast"


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.masked(ADAM, labels(lambda m: m != "head")),
        optax.multi_transform({"fast": ADAM, "slow": optax.sgd(1e-2, momentum=0.9)}, labels(group)),
    ],
    ids=["masked", "multi_transform"],
)
def test_groups_by_name_are_told_by_optax_and_mended_by_transfer(plans, optimizer):
    """A new owner goes into its lender's group. Where the names say another, the next update fails, and `transfer` helps."""
    state = optimizer.update(PARAMS, optimizer.init(PARAMS), PARAMS)[1]
    free = tn.untie(plans.tied, PARAMS, "head/w", state)
    with pytest.raises(ValueError, match="type mismatch|MaskedNode"):
        optimizer.update(free.params, free.opt_state, free.params)
    new = tn.transform(function("transpose"), ties=free.ties).plan(X)
    begun = optimizer.init(free.params)
    moved = tn.transfer(new, free.params, old_plan=new, opt_state=free.opt_state, new_opt_state=begun, strict=False)
    same_layout(moved.opt_state, begun)
    optimizer.update(moved.params, moved.opt_state, moved.params)
    assert all("head/w" in path for path in (*moved.report.of("missing"), *moved.report.of("unexpected")))
    kept = {jax.tree_util.keystr(p): v for p, v in jax.tree.leaves_with_path(state)}
    now = {jax.tree_util.keystr(p): v for p, v in jax.tree.leaves_with_path(moved.opt_state)}
    assert all(np.array_equal(now[name], value) for name, value in kept.items())
