"""AdaSecant and momentum of updates, against their equations in plain Python."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.training.optimizing.kinds import kind
from tenure.training.optimizing.older import adasecant, with_momentum
from tenure.training.optimizing.updater import Updater


def by_hand(gradients, rate):
    """The steps of one number: of its gradient only the sign counts, as it is divided by its norm."""
    e, steps = 1e-7, []
    tau, mean, square, curve, curve2, cov, num, den, old, plain = 2.1 * (1 + e), e, e, e, e, e, e, e, e, e
    mean_step = mean_step2 = 0.0
    for i, g in enumerate(gradients):
        g = g / (abs(g) + e)
        mean, square = 0.75 * mean + 0.25 * g, 0.75 * square + 0.25 * g * g
        gamma = min(math.sqrt(num) / math.sqrt(den + e), 1.8)
        num += (((g - old) * (old - mean)) ** 2 - num) / tau
        den += (((mean - g) * (old - mean)) ** 2 - den) / tau
        old = (g + gamma * mean) / (1 + gamma) if i else g
        change, plain = g - plain, g
        curve, curve2 = curve + (change - curve) / tau, curve2 + (change**2 - curve2) / tau
        if not i:
            mean_step2 = g * g
        last = mean_step if i else g
        size = math.sqrt(mean_step2 + rate) / math.sqrt(curve2 + rate) - cov / (curve2 + rate)
        steps.append(-max(min(size, 50), -50) * old)
        longer = (1 - last**2 / (mean_step2 + e)) * tau + 1 + e
        far = abs(g - mean) > 2 * math.sqrt(max(square - mean**2, 0))
        far |= abs(change - curve) > 2 * math.sqrt(max(curve2 - curve**2, 0))
        cov += (steps[-1] * change - cov) / tau
        mean_step2, mean_step = (
            mean_step2 + (steps[-1] ** 2 - mean_step2) / tau,
            mean_step + (steps[-1] - mean_step) / tau,
        )
        tau = min(max(2.2 if far else longer, 1.5), 1e8)
    return steps


def test_steps_of_adasecant():
    gradients, found, make = [1.0, 0.5, -2.0, 0.1, -0.3, -0.3, 2.0], [], adasecant()
    state = make.init(jnp.zeros(()))
    for g in gradients:
        step, state = jax.jit(make.update)(jnp.float32(g), state, learning_rate=0.01)
        found.append(float(step))
    np.testing.assert_allclose(found, by_hand(gradients, 0.01), rtol=2e-3)
    assert len({round(abs(x), 3) for x in found}) > 4


def test_momentum_of_updates_remembers_the_learning_rate():
    make = with_momentum(kind({"class": "sgd"})[0], 0.5)
    state, found = make.init(jnp.zeros(2)), []
    for rate in (1.0, 0.1, 0.1):
        step, state = make.update(jnp.ones(2), state, jnp.zeros(2), learning_rate=rate)
        found.append(float(step[0]))
    np.testing.assert_allclose(found, [-1, -0.1 - 0.5, -0.1 - 0.3], rtol=1e-6)


@pytest.mark.parametrize("config", [{"momentum2": 0.5}, {"adasecant": True}, {"adam": True, "momentum2": "0.9"}])
def test_their_keys(config):
    updater = Updater(config, {"x": {"W": True}})
    params, state = {"x": {"W": jnp.ones(3)}}, updater.init({"x": {"W": jnp.ones(3)}})
    for step in range(3):
        params, state = updater.update(params, state, params, learning_rate=0.1, step=step)
    plain = Updater({**config, "momentum2": None, "adasecant": None}, {"x": {"W": True}})
    other, state = {"x": {"W": jnp.ones(3)}}, plain.init({"x": {"W": jnp.ones(3)}})
    for step in range(3):
        other, state = plain.update(other, state, other, learning_rate=0.1, step=step)
    assert float(jnp.abs(params["x"]["W"] - other["x"]["W"]).max()) > 0.01
