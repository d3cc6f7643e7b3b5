"""`tn.tie` compares what it ties, and refuses ties that leave nobody with a value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.core.errors import TieValueError, UnknownSlotError
from tests.core.staged_models import Weight

X = jnp.ones(3)


@pytest.fixture(scope="module")
def three():
    def f(x):
        for name in "abc":
            x = tn.nn.Linear(3, with_bias=False, name=name)(x)
        return x

    model = tn.transform(f)
    one = model.init(jax.random.key(0), X)["a"]
    return model.plan(X), dict.fromkeys("abc", one)


def test_nan_hides_no_difference(three):
    plan, params = three
    odd = params["a"]["w"].at[0, 0].set(jnp.nan)
    for mine, theirs, gap in ((odd, params["a"]["w"], "inf"), (odd, odd + 1, "1")):
        with pytest.raises(TieValueError, match=rf"different values: max\|Δ\| = {gap}"):
            tn.tie(plan, {**params, "a": {"w": mine}, "b": {"w": theirs}}, {"b/w": "a/w"})
    assert list(tn.tie(plan, {**params, "a": {"w": odd}, "b": {"w": odd}}, {"b/w": "a/w"}).params) == ["a", "c"]


def test_nobody_borrows_from_itself(three):
    plan, params = three
    for ties in ({"b/w": "b/w"}, {"b/w": "a/w", "a/w": "b/w"}):
        with pytest.raises(UnknownSlotError, match="'b/w' would borrow from itself: b/w → "):
            tn.tie(plan, params, ties)
    for ties in ({"b/w": "a/w", "c/w": "b/w"}, {"c/w": "b/w", "b/w": "a/w"}):
        tied = tn.tie(plan, params, ties)
        assert list(tied.params) == ["a"]


def test_take_names_a_side(three):
    plan, params = three
    for take in ("c/w", "nowhere/w"):
        with pytest.raises(UnknownSlotError, match=take):
            tn.tie(plan, params, {"b/w": "a/w"}, take=take)


def test_ties_of_two_borrowers_compare_with_the_value_that_is_taken():
    def three():
        return [Weight(name=n)() for n in ("owner", "one", "two")]

    model = tn.transform(three)
    params = model.init(0)
    params["two"]["w"] = params["one"]["w"]
    kept = tn.tie(model.plan(), params, {"one/w": "owner/w", "two/w": "owner/w"}, take="one/w")
    np.testing.assert_array_equal(kept.params["owner"]["w"], params["one"]["w"])
