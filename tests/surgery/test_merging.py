"""Merging a stage into the weight, and the way back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tests.core.staged_models import two


def test_merging_the_adapter_of_one_use_is_an_error_whose_way_out_works():
    f = two(user=[tn.on_use("lora(2)")])
    model = tn.transform(f)
    params = model.init(0)
    params["second"]["w.lora.up"] = jnp.ones((2, 4))
    with pytest.raises(tn.errors.MergeError, match="merging it would change what first/w see") as e:
        tn.merge(model.plan(), params, "second/w")
    assert "tn.untie(plan, params, 'second/w')" in e.value.ways[0]
    free = tn.untie(model.plan(), params, "second/w")
    untied = tn.transform(f, ties=free.ties, stages=free.stages)
    for a, b in zip(model.apply(params, None), untied.apply(free.params, None), strict=True):
        np.testing.assert_array_equal(a, b)
    merged = tn.merge(untied.plan(), free.params, "second/w")
    plain = tn.transform(f, ties=free.ties, stages=merged.stages)
    assert plain.plan().ledger["second/w"].stages == ()
    assert merged.params.keys() == {"first", "second"} and merged.params["second"].keys() == {"w"}
    for a, b in zip(model.apply(params, None), plain.apply(merged.params, None), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_owners_with_state_untie_merge_and_tie():
    f = two(owner=["spectral_norm", "lora(2)"])
    model = tn.transform_with_state(f)
    params, state = model.init(0)
    params["first"]["w.lora.up"] = jnp.ones((2, 4))
    (_, second), _ = model.apply(params, state, None)
    free = tn.untie(model.plan(), params, "second/w", state=state)
    untied = tn.transform_with_state(f, ties=free.ties, stages=free.stages)
    np.testing.assert_allclose(untied.apply(free.params, state, None)[0][1], second, rtol=1e-5)
    with pytest.raises(tn.errors.MergeError, match="does not fit what comes before it"):
        tn.merge(model.plan(), params, "first/w", "lora", state=state)
    bare = tn.transform_with_state(f, stages={"first/w": [None, "ema(0.9)"]})
    params, state = bare.init(0)
    own = tn.untie(bare.plan(), params, "second/w", state=state)
    model = tn.transform_with_state(f, ties=own.ties, stages=own.stages)
    again = tn.tie(model.plan(), own.params, {"second/w": "first/w | transpose"}, take="first/w", state=state)
    np.testing.assert_array_equal(again.params["first"]["w"], params["first"]["w"])


def test_params_that_were_cast_stay_cast():
    model = tn.transform(two(owner=["weight_norm"], share=None))
    half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), model.init(0))
    new = tn.assign(model.plan(), half, {"first/w": jnp.eye(4), "second/w": jnp.eye(4)})
    assert {leaf.dtype for leaf in jax.tree.leaves(new)} == {jnp.dtype(jnp.bfloat16)}
    kept = tn.tie(model.plan(), half, {"second/w": "first/w"}, take="second/w")
    np.testing.assert_array_equal(kept.params["first"]["w"], half["second"]["w"])
    assert kept.params["first"]["w"].dtype == jnp.bfloat16


def test_unmerge_of_a_stage_without_a_way_back_is_a_tenure_error():
    model = tn.transform(two())
    with pytest.raises(tn.errors.NoInverseError, match="standardise"):
        tn.unmerge(model.plan(), model.init(0), "first/w", "standardise", {})
