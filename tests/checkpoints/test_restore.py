"""Restoring: with a plan, without one, in part, and what its errors say."""

import jax
import jax.numpy as jnp
import pytest
from safetensors import safe_open

import tenure as tn
from tenure.checkpoints import errors
from tenure.core.errors import RuleError
from tests.checkpoints.models import KEY, TOKENS, equal, translator


def test_errors_of_restoring_name_the_checkpoint(model, tmp_path):
    """Whatever the rule is: one of several checkpoints is meant."""
    path = tn.save(tmp_path / "one_of_many", model.plan, model.params)
    other = tn.transform(lambda x: tn.nn.Linear(3, name="other")(x)).plan(jnp.ones(4))
    for act in (
        lambda: tn.restore(path, other),
        lambda: tn.restore(path, model.plan, rename={"sauce": "x"}),
        lambda: tn.restore(path, model.plan, take="nothing/w"),
        lambda: tn.restore(path, model.plan, only="nothing/*"),
        lambda: tn.restore(path, model.plan, opt_state={"m": jnp.ones(2)}),
        lambda: tn.restore(path, model.plan, shardings=3),
    ):
        with pytest.raises(tn.TenureError, match="one_of_many"):
            act()


def test_without_a_plan_it_comes_back_as_it_was_saved(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params, step=1)
    assert equal(tn.restore(path).params, model.params)


def test_ties_and_stages_transform_the_function_again(tmp_path):
    ties = {"output/w": tn.own, "target/embeddings": "source/embeddings | scale(2.0)"}
    stages = {"source/embeddings": [None, tn.stages.Noise(0.1)], "mix/w": "weight_norm"}
    first = tn.transform(translator, ties=ties, stages=stages)
    plan, params = first.plan(TOKENS), first.init(KEY, TOKENS)
    found = tn.restore(tn.save(tmp_path / "a", plan, params), plan)
    again = tn.transform(translator, ties=found.ties, stages=found.stages)
    assert [dataclass_without_site(r) for r in again.plan(TOKENS).ledger.rows] == [
        dataclass_without_site(r) for r in plan.ledger.rows
    ]
    assert equal(found.params, params)


def dataclass_without_site(row):
    return (row.path, row.kind, row.shape, row.owners, row.views, row.stages, row.origin)


def test_only_a_part_is_saved_or_restored(model, tmp_path):
    path = tn.save(tmp_path / "mix", model.plan, model.params, only="mix/*")
    with safe_open(path / "params.safetensors", "numpy") as file:
        assert sorted(file.keys()) == ["mix/b", "mix/w"]  # noqa: SIM118
    assert equal(tn.restore(path).params, {"mix": model.params["mix"]})
    other = jax.tree.map(jnp.zeros_like, model.params)
    found = tn.restore(path, model.plan, params=other)
    assert equal(found.params, other | {"mix": model.params["mix"]})
    assert set(found.report.of("missing")) == {"source/embeddings", "output/b"}
    with pytest.raises(errors.ContentError, match="2 missing"):
        tn.restore(path, model.plan)
    whole = tn.save(tmp_path / "all", model.plan, model.params)
    assert list(tn.restore(whole, model.plan, only=["mix/w", "output/b"]).params) == ["mix", "output"]
    with pytest.raises(RuleError, match="which is borrowed"):
        tn.restore(whole, model.plan, only="output/w")


def test_views_that_are_functions_need_no_form_as_data(tmp_path):
    """The tie is the same in file and model, so that nobody has to follow it."""

    def function(x):
        first = tn.nn.Linear(3, name="first")
        return tn.nn.Linear(3, name="second", share={"w": first.ref("w") | (lambda w: w * 2)})(first(x))

    net = tn.transform(function)
    plan, params = net.plan(jnp.ones(3)), net.init(KEY, jnp.ones(3))
    path = tn.save(tmp_path / "a", plan, params)
    assert equal(tn.restore(path, plan).params, params)
    assert list(tn.restore(path, rename={"first": "third"}).params) == ["third", "second"]


def test_options_that_are_none(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params)
    for options in (dict(take=3), dict(only=5), dict(rename=5), dict(shardings=5), dict(params=5)):
        with pytest.raises(tn.TenureError):
            tn.restore(path, model.plan, **options)
    for options in (dict(take=3), dict(resize=5), dict(rename=[1])):
        with pytest.raises(tn.TenureError):
            tn.transfer(model.plan, model.params, **options)
