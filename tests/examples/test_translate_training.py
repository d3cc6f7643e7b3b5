"""Budget and loss."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from examples.translate.budget import Budget, Clock
from examples.translate.train import Recipe, cross_entropy, learning_rate


class Time:
    def __init__(self):
        self.now = 0.0

    def clock(self, minutes, reserve=0.0):
        return Clock(minutes, reserve, started=self.now, now=lambda: self.now)


def test_training_ends_in_time_for_what_follows():
    time = Time()
    budget = Budget(time.clock(10, reserve=30))
    assert budget.fraction(0) == 0 and not budget.over(0)
    time.now = 600 - 45 - 30 - 1
    assert budget.fraction(1) > 0.99 and not budget.over(1)
    time.now += 2
    assert budget.fraction(2) == 1 and budget.over(2)


def test_a_continued_run_goes_on_from_its_part_of_the_whole():
    time = Time()
    whole = Budget(time.clock(4), seconds=60.0)
    left = 0.85 * 240
    assert whole.fraction(7) == pytest.approx(60 / (60 + left))


def test_steps_count_over_all_runs():
    budget = Budget(Time().clock(5), seconds=100.0, steps=20)
    assert budget.fraction(10) == 0.5
    assert not budget.over(19) and budget.over(20)


def test_learning_rate_rises_then_falls():
    recipe = Recipe(peak=1.0, warmup=10)
    assert learning_rate(recipe, 4, 0.0) == 0.5
    assert learning_rate(recipe, 99, 0.25) == 0.75
    assert learning_rate(recipe, 99, 1.0) == 0.0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_optax_without_padding(smoothing):
    logits = 3 * jax.random.normal(jax.random.key(0), (2, 4, 7))
    labels = jnp.array([[3, 4, 2, 0], [6, 2, 0, 0]])
    total, count = cross_entropy(logits, labels, smoothing)
    wanted = (1 - smoothing) * jax.nn.one_hot(labels, 7) + smoothing / 7
    expected = jnp.where(labels != 0, optax.softmax_cross_entropy(logits, wanted), 0).sum()
    np.testing.assert_allclose(total, expected, rtol=1e-6)
    assert count == 5
