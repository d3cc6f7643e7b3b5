"""Stages that are asked for by an exact path are applied, or refused; a glob may skip."""

import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn
from tests.core.staged_models import seen, two

X = jnp.ones((2, 4))


def linear(x):
    return nn.Linear(3)(x)


EXACT = {
    "the model's": lambda: tn.transform(linear, stages={"linear/b": ["lora(2)"]}),
    "the model's, absolute": lambda: tn.transform(linear, stages={"/linear/b": ["lora(2)"]}),
    "a module's": lambda: tn.transform(lambda x: nn.Linear(3, stages={"b": ["lora(2)"]})(x)),
    "for one use": lambda: tn.transform(linear, stages={"linear/b": [tn.on_use("lora(2)")]}),
    "a request's": lambda: tn.transform(lambda x: tn.get_parameter("b", (3,), init=jnp.zeros, stages=["lora(2)"])),
    "one of two": lambda: tn.transform(linear, stages={"linear/b": ["lora(2)", "noise(0.1, min_ndim=1)"]}),
}


@pytest.mark.parametrize("name", EXACT)
def test_an_exact_path_that_a_stage_skips_is_an_error(name):
    with pytest.raises(tn.errors.StageShapeError, match="skips") as error:
        EXACT[name]().plan(X)
    assert "lora(2)" in str(error.value) and "(3,)" in str(error.value) and "min_ndim" in str(error.value)


def test_a_glob_may_skip():
    ledger = tn.transform(linear, stages={"linear/*": ["lora(2)"]}).plan(X).ledger
    assert ledger["linear/b"].stages == () and ledger["linear/w"].stages == ("lora(2)",)


def test_an_exact_path_may_ask_for_it_after_all():
    plan = tn.transform(linear, stages={"linear/b": ["weight_norm(min_ndim=1)"]}).plan(X)
    assert plan.ledger["linear/b"].stages


def test_the_same_noise_on_the_borrower_is_applied_once_and_the_ledger_says_so():
    model = tn.transform(two(owner=["noise(0.1)"], user=["noise(0.1)"]))
    _, first, second = seen(model)
    np.testing.assert_array_equal(first, second.T)
    np.testing.assert_array_equal(first, seen(tn.transform(two(owner=["noise(0.1)"])))[1])
    assert "noise: same as owner" in model.plan().ledger["second/w"].notes


@pytest.mark.parametrize("owner", [None, ["noise(0.2)"], ["weight_norm"]])
def test_noise_on_a_borrower_only_is_an_error_that_names_both_and_three_ways(owner):
    with pytest.raises(tn.errors.BorrowerStageError) as e:
        tn.transform(two(owner=owner, user=["noise(0.1)"])).plan()
    assert {"second/w", "first/w"} <= {p.path for p in e.value.parties}
    assert [w.partition(":")[0] for w in e.value.ways] == [
        "put it on the owner, for all users", "for this use only", "untie it",
    ]  # fmt: skip


def test_the_ways_out_of_that_error_work():
    tn.transform(two(owner=["noise(0.1)"], user=["noise(0.1)"])).plan()
    tn.transform(two(user=[tn.on_use("noise(0.1)")])).plan()
    tn.transform(two(user=["noise(0.1)"]), ties={"second/w": tn.own}).plan()
    _, first, second = seen(tn.transform(two(user=["noise(0.1)"]), on_borrowed="stack"))
    assert not jnp.any(first == second.T)
