"""Leaves that a model lacks: an error, told, or taken, as `strict=` says."""

import logging

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
import tenure.haiku as hk
from tenure import nn

X = jnp.ones((2, 3))


def function(x):
    return nn.Linear(2, name="layer")(x)


@pytest.fixture
def params():
    return tn.transform(function).init(jax.random.key(0), X)


def test_an_adapter_is_never_dropped_in_silence(params):
    adapted = tn.transform(function, stages={"layer/w": ["lora(1)"]})
    trained = adapted.init(jax.random.key(0), X)
    plain = tn.transform(function)
    for run in (plain.apply, jax.jit(plain.apply), tn.evaluation(plain).apply):
        with pytest.raises(tn.errors.UnknownLeafError, match=r"layer/w\.lora\.down"):
            run(trained, None, X)
    loose = tn.transform(function, strict=False)
    assert jnp.array_equal(loose.apply(trained, None, X), plain.apply(params, None, X))


def test_unknown_leaves_inside_of_a_module(params):
    more = {"layer": {**params["layer"], "scale": jnp.ones(2)}}
    with pytest.raises(tn.errors.UnknownLeafError, match="layer/scale"):
        tn.transform(function).apply(more, None, X)
    with_state = tn.transform_with_state(function)
    with pytest.raises(tn.errors.UnknownLeafError, match="layer/scale"):
        with_state.apply(more, {}, None, X)


def test_foreign_modules_are_told_once(params, caplog):
    more = {**params, "other/part": {"w": jnp.ones(2)}}
    model = tn.transform(function)
    with caplog.at_level(logging.WARNING, "tenure"):
        for _ in range(3):
            model.apply(more, None, X)
    assert [r.message for r in caplog.records if "other/part" in r.message] == [
        "apply was given modules that the model lacks: other/part (transform with strict=True or False)"
    ]
    with pytest.raises(tn.errors.UnknownLeafError, match="other/part/w"):
        tn.transform(function, strict=True).apply(more, None, X)
    caplog.clear()
    tn.transform(function, strict=False).apply(more, None, X)
    assert not caplog.records


def test_what_another_way_through_the_model_asks_for_is_no_extra():
    def two_ways(x, train):
        x = nn.Linear(2, name="layer")(x)
        return x * tn.get_parameter("scale", (2,), init=jnp.ones) + nn.Linear(2, name="aux")(x) if train else x

    model = tn.transform(two_ways, strict=True)
    both = model.init(jax.random.key(0), X, True)
    model.apply(both, None, X, False)
    tn.evaluation(model).apply(both, None, X, False)


def test_layer_stacks_and_ties_ask_for_their_leaves():
    def deep(x):
        first = nn.Linear(3, name="first")
        x = tn.layer_stack(2, name="stack")(lambda x: nn.Linear(3, name="a")(x))(first(x))
        return nn.Linear(3, name="last", share={"w": first.ref("w").T})(x)

    for stages in ({}, {"**/w": ["weight_norm", "noise(0.1)"]}):
        model = tn.transform(deep, strict=True, stages=stages)
        model.apply(model.init(jax.random.key(0), X), jax.random.key(1), X)


def test_the_haiku_profile_takes_extras_as_haiku_does(params):
    f = hk.transform(lambda x: hk.Linear(2)(x))
    plain = f.init(jax.random.PRNGKey(0), X)
    more = {"linear": {**plain["linear"], "w.lora.down": jnp.ones(2)}, "elsewhere": {"w": jnp.ones(2)}}
    assert jnp.array_equal(f.apply(more, None, X), f.apply(plain, None, X))
