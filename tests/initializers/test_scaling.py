"""Initial values whose variance follows from how many units a weight connects."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.initializers.scaling import UniformScaling, VarianceScaling, fans


def drawn(init, shape=(80, 200)):
    return np.asarray(tn.transform(lambda: tn.get_parameter("w", shape, init=init)).init(jax.random.key(0))["~"]["w"])


@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "uniform"])
@pytest.mark.parametrize(("mode", "units"), [("fan_in", 80), ("fan_out", 200), ("fan_avg", 140)])
def test_the_variance_is_the_scale_by_the_units(mode, units, distribution):
    found = drawn(VarianceScaling(2.0, mode, distribution))
    np.testing.assert_allclose(found.var(), 2 / units, rtol=0.05)
    np.testing.assert_allclose(found.mean(), 0, atol=0.01)


def test_units_of_a_weight():
    assert fans(()) == (1, 1) and fans((5,)) == (5, 5) and fans((2, 3, 5)) == (6, 10)
    assert fans((2, 3, 5), fan_in_axes=(0,)) == (2, 15)


def test_uniform_scaling():
    found = drawn(UniformScaling(2.0))
    np.testing.assert_allclose(found.var(), 4 / 80, rtol=0.05)
    assert jnp.abs(found).max() <= 2 * (3 / 80) ** 0.5


@pytest.mark.parametrize("wrong", [dict(scale=-1), dict(mode="fan"), dict(distribution="cauchy")])
def test_what_cannot_be(wrong):
    with pytest.raises(ValueError):
        VarianceScaling(**wrong)
