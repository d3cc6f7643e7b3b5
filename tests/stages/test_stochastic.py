"""Noise and dropout of weights: their moments."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure import stages as st
from tests.stages.cases import KEY, TALL, model_of, value


def test_noise_has_its_standard_deviation():
    weight = 2 * jax.random.normal(KEY, (200, 200))
    np.testing.assert_allclose(jnp.std(value(["noise(0.05)"], weight) - weight), 0.05, rtol=0.02)
    relative = value([st.Noise(0.05, relative=True)], weight) - weight
    np.testing.assert_allclose(jnp.std(relative), 0.05 * jnp.sqrt(jnp.mean(weight**2)), rtol=0.02)


def test_dropout_keeps_the_mean_and_leaves_biases_alone():
    weight = jnp.ones((200, 200))
    out = value(["dropout(0.25)"], weight)
    np.testing.assert_allclose(jnp.mean(out), 1, atol=0.01)
    np.testing.assert_allclose(jnp.mean(out == 0), 0.25, atol=0.01)
    bias = tn.transform(lambda: tn.get_parameter("b", (5,), init=jnp.ones), stages={"**": ["dropout(0.25)"]})
    np.testing.assert_array_equal(bias.apply(bias.init(None), KEY), jnp.ones(5))
    assert jnp.any(value([st.Dropout(0.5, min_ndim=1)], jnp.ones(50)) == 0)


def test_variational_noise_s_penalty_is_the_divergence():
    model = model_of(TALL, [st.Variational(0.3, prior=0.7, scale=2.0)])
    mean = np.asarray(TALL)
    samples = mean + 0.3 * np.random.default_rng(3).normal(size=(200_000, *mean.shape)).astype(np.float32)

    def log_density(x, mean, std):
        return -0.5 * ((x - mean) / std) ** 2 - np.log(std)

    estimate = np.sum(np.mean(log_density(samples, mean, 0.3) - log_density(samples, 0.0, 0.7), 0))
    np.testing.assert_allclose(tn.penalty(model.plan(), model.init(0)), 2 * estimate, rtol=0.01)
