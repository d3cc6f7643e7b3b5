"""Constants, and samples of one distribution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.initializers.simple import Constant, RandomNormal, RandomUniform, TruncatedNormal

SHAPE = (100, 100)


def drawn(init, dtype=jnp.float32, shape=SHAPE):
    return tn.transform(lambda: tn.get_parameter("w", shape, dtype, init)).init(jax.random.key(0))["~"]["w"]


@pytest.mark.parametrize(
    ("init", "mean", "deviation", "bounds"),
    [
        (RandomNormal(0.5, 2.0), 2, 0.5, (-9, 9)),
        (RandomUniform(-1, 3), 1, 4 / 12**0.5, (-1, 3)),
        (TruncatedNormal(0.5, 1.0), 1, 0.5 * 0.8796, (0, 2)),
        (TruncatedNormal(1.0, 0.0, -1.0, 1.0), 0, 0.5396, (-1, 1)),
    ],
)
def test_samples(init, mean, deviation, bounds):
    found = np.asarray(drawn(init))
    np.testing.assert_allclose([found.mean(), found.std()], [mean, deviation], atol=0.03)
    assert found.min() >= bounds[0] and found.max() <= bounds[1]


def test_complex_numbers_have_two_parts():
    found = drawn(TruncatedNormal(1.0), jnp.complex64)
    assert found.dtype == jnp.complex64 and 0 < jnp.abs(found.imag).max() <= 2


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.int32])
def test_constants(dtype):
    assert drawn(Constant(3), dtype, (2,)).tolist() == [3, 3] and drawn(Constant(3), dtype, (2,)).dtype == dtype
    rows = drawn(Constant(np.arange(3)), dtype, (2, 3))
    assert rows.tolist() == [[0, 1, 2]] * 2 and rows.dtype == dtype


def test_they_show_themselves_as_their_calls():
    assert repr(TruncatedNormal(0.1)) == "TruncatedNormal(stddev=0.1, mean=0.0, lower=-2.0, upper=2.0)"
