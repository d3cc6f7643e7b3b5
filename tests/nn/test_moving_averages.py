"""Running averages."""

import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn

VALUES = [4.0, 1.0, 7.0]


def averages(**options):
    model = tn.transform_with_state(lambda x: nn.ExponentialMovingAverage(0.5, **options)(x))
    params, state = model.init(None, 0.0)
    found = []
    for value in VALUES:
        out, state = model.apply(params, state, None, value)
        found.append(float(out))
    return found, state


def test_with_and_without_the_pull_to_zero():
    plain = [2.0, 1.5, 4.25]
    assert averages(zero_debias=False)[0] == plain
    np.testing.assert_allclose(averages()[0], [p / (1 - 0.5 ** (i + 1)) for i, p in enumerate(plain)], rtol=1e-6)


def test_a_warm_up_gives_the_newest_value():
    assert averages(zero_debias=False, warmup_length=2)[0] == [4.0, 1.0, 4.0]
    for wrong in (dict(warmup_length=-1, zero_debias=False), dict(warmup_length=1)):
        with pytest.raises(ValueError):
            averages(**wrong)


def test_what_is_not_kept_changes_nothing():
    def f(x):
        average = nn.ExponentialMovingAverage(0.5)
        average(x)
        return average(100.0, update_stats=False), average.average

    model = tn.transform_with_state(f)
    params, state = model.init(None, 3.0)
    (peeked, kept), _ = model.apply(params, state, None, 3.0)
    assert kept == 3 and peeked > 50


def test_averages_of_a_tree_but_for_what_is_left_out():
    params = {"a/~/b": {"w": jnp.ones(2), "b": jnp.zeros(2)}}
    model = tn.transform_with_state(lambda p: nn.EMAParamsTree(0.9, ignore_regex=".*/b$")(p))
    _, state = model.init(None, params)
    (name,) = state
    assert name.endswith("a___tilde___b__w")
    moved, _ = model.apply({}, state, None, {"a/~/b": {"w": 3 * jnp.ones(2), "b": jnp.ones(2)}})
    np.testing.assert_allclose(moved["a/~/b"]["w"], 3, rtol=1e-6)
    np.testing.assert_array_equal(moved["a/~/b"]["b"], 1)
