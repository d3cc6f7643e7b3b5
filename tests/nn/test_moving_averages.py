"""Running averages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
import tenure.haiku as hk
from tenure.nn import ExponentialMovingAverage


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_first_power_of_the_decay_is_the_decay_and_waits_for_no_counter(monkeypatch, dtype):
    """`jnp.power` reads the counter, and waits for all that JAX computes meanwhile."""
    x = jnp.asarray([0.0, -0.0, 1.5, -3e-7, 700.0], dtype)
    asked, power = [], jnp.power
    monkeypatch.setattr(jnp, "power", lambda *args: (asked.append(args[1]), power(*args))[1])

    def twice(x):
        average = ExponentialMovingAverage(0.9)
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
        with hk.custom_creator(lambda make, shape, dtype, init, _: make(shape, dtype, init) + 3, params=False, state=True):
            return hk.ExponentialMovingAverage(0.5)(x)

    _, state = hk.transform_with_state(f).init(None, jnp.ones(()))
    mean = state["exponential_moving_average"]
    assert int(mean["counter"]) == 3 and abs(float(mean["average"]) - 2 / (1 - 0.5**4)) < 1e-6


def test_init_of_a_layer_that_is_called_twice():
    def f(x):
        average = ExponentialMovingAverage(0.5)
        return average(x) + average(x)

    model = tn.transform_with_state(f)
    _, state = model.init(None, jnp.ones(()))
    out, state = model.apply({}, state, None, jnp.ones(()))
    assert int(state["exponential_moving_average"]["counter"]) == 2 and abs(float(out) - 2) < 1e-6
