"""Where a slot comes from: ties from outside, then shares, then the module's own."""

import copy
import json

import jax.numpy as jnp
import pytest

import tenure as tn
from tenure import nn
from tests.core.copied_models import copied, tied
from tests.core.zoo import ZOO, Dense, Mlp

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_r14_ties_reach_a_module_that_never_heard_of_them_at_any_depth():
    def f(x):
        @tn.to_module
        def outer(x):
            return Mlp(name="deep")(x)

        return outer("outer")(x) + Mlp(name="top")(x)

    ties = {"outer/deep/second/w": "top/first/w | transpose", "top/second/w": "outer/deep/first/w | transpose"}
    ledger = tn.transform(f, ties=ties).plan(X).ledger
    assert ledger.owner_of("outer/deep/~/second/w") == "top/~/first/w"
    assert ledger.owner_of("top/~/second/w") == "outer/deep/~/first/w"
    assert ledger["top/~/second/w"].origin == "ties"
    whole = tn.transform(f, ties={"top/*": "outer/deep"}).plan(X).ledger
    assert all(o.startswith("outer/") for o in whole.owners)


def test_a_share_on_a_compound_looks_inside_first_and_then_outwards():
    share = {"second/w": "first/w | slice(0, 4, axis=1)", "first/b": "outer/b"}

    def f(x):
        return Mlp(name="mlp", share=share)(Dense(5, name="outer")(x)) + Dense(4, name="first")(x)

    ledger = tn.transform(f).plan(X).ledger
    assert ledger.owner_of("mlp/second/w") == "mlp/~/first/w" and ledger.owner_of("mlp/first/b") == "outer/b"


def test_r44_ties_as_data_and_typos_in_them():
    ties = ZOO["by ties"].ties
    assert json.loads(json.dumps(ties)) == ties
    for bad in (
        {"hed/w": "embed/w"},
        {"head/w": "embd/w"},
        {"head/w": "embed/w | transposed"},
        {"head/w": "embed/w || x"},
    ):
        with pytest.raises(tn.TenureError):
            tn.transform(ZOO["by ties"].function, ties=bad).plan(X)


@pytest.mark.parametrize("word", ["own", "forbid"])
@pytest.mark.parametrize("through", [copied, copy.deepcopy, copy.copy])
def test_the_words_are_themselves_after_a_copy(word, through):
    assert through(getattr(tn, word)) is getattr(tn, word)


@pytest.mark.parametrize("word", ["own", "forbid"])
def test_the_words_have_words_in_json(word):
    entry = json.loads(json.dumps({"w": getattr(tn, word)}))
    assert entry["w"] == getattr(tn, word) and repr(getattr(tn, word)) == word

    def f(x):
        nn.Linear(3, name="a")(x)
        return nn.Linear(3, name="b", share={**entry, "b": "a/b"})(x)

    if word == "own":
        assert tn.transform(f).plan(X).ledger["b/w"].kind == "owned"
    else:
        with pytest.raises(tn.errors.ForbiddenSlotError):
            tn.transform(f).plan(X)


def test_the_words_mean_the_same_after_a_copy_of_the_rules_around_them():
    ties = copied(copy.deepcopy(json.loads(json.dumps({"head/w": tn.own}))))
    assert tn.transform_with_state(tied, ties=ties).plan(X).ledger["head/w"].kind == "owned"

    def rest(x):
        nn.Linear(3, name="a")(x)
        return nn.Linear(3, name="b", share=json.loads(json.dumps({"w": "a/w", "*": tn.forbid})))(x)

    with pytest.raises(tn.errors.ForbiddenSlotError):
        tn.transform(rest).plan(X)
