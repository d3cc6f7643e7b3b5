"""Running averages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
import tenure.haiku as hk
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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_first_power_of_the_decay_is_the_decay_and_waits_for_no_counter(monkeypatch, dtype):
    """`jnp.power` reads the counter, and waits for all that JAX computes meanwhile."""
    x = jnp.asarray([0.0, -0.0, 1.5, -3e-7, 700.0], dtype)
    asked, power = [], jnp.power
    monkeypatch.setattr(jnp, "power", lambda *args: (asked.append(args[1]), power(*args))[1])

    def twice(x):
        average = nn.ExponentialMovingAverage(0.9)
        return average(x), average(2 * x)

    f = hk.transform_with_state(twice)
    for _ in range(2):  # the first init traces
        del asked[:]
        _, state = f.init(None, x)
        assert [int(n) for n in asked if not isinstance(n, jax.core.Tracer)] in ([2], [])
    mean = state["exponential_moving_average"]
    assert int(mean["counter"]) == 0 and not mean["hidden"].any()
    (first, second), state = f.apply({}, mean_of_zero(x), None, x)
    decay = np.asarray(0.9, dtype)
    by_hand = (jnp.zeros_like(x) * decay + x * (1 - decay)) / (1 - power(decay, 1))
    assert first.dtype == by_hand.dtype == x.dtype and (first == by_hand).all() and (mean["average"] == by_hand).all()
    assert (second == state["exponential_moving_average"]["average"]).all()


def mean_of_zero(x):
    zero = jnp.zeros_like(x)
    return {"exponential_moving_average": {"counter": jnp.asarray(0), "hidden": zero, "average": zero}}


def test_a_counter_that_a_creator_changes_is_looked_at():
    def f(x):
        with hk.custom_creator(
            lambda make, shape, dtype, init, _: make(shape, dtype, init) + 3, params=False, state=True
        ):
            return hk.ExponentialMovingAverage(0.5)(x)

    _, state = hk.transform_with_state(f).init(None, jnp.ones(()))
    mean = state["exponential_moving_average"]
    assert int(mean["counter"]) == 3 and abs(float(mean["average"]) - 2 / (1 - 0.5**4)) < 1e-6


def test_init_of_a_layer_that_is_called_twice():
    def f(x):
        average = nn.ExponentialMovingAverage(0.5)
        return average(x) + average(x)

    model = tn.transform_with_state(f)
    _, state = model.init(None, jnp.ones(()))
    out, state = model.apply({}, state, None, jnp.ones(()))
    assert int(state["exponential_moving_average"]["counter"]) == 2 and abs(float(out) - 2) < 1e-6
