"""Distributions by TensorFlow's names."""

import jax
import numpy as np
import pytest

import tenure as tn
from tenure.network.tf import tf


def drawn(make, shape=(4000,)):
    return np.asarray(tn.transform(lambda: make().sample(sample_shape=shape)).apply({}, jax.random.key(0)))


def test_bernoulli():
    of = tf.compat.v1.distributions.Bernoulli
    found = drawn(lambda: of(probs=[0.2, 0.9]))
    assert found.shape == (4000, 2) and found.dtype == np.int32 and set(np.unique(found)) == {0, 1}
    np.testing.assert_allclose(found.mean(0), [0.2, 0.9], atol=0.03)
    np.testing.assert_allclose(drawn(lambda: of(logits=np.log(3.0))).mean(), 0.75, atol=0.03)
    assert drawn(lambda: of(probs=0.5, dtype=tf.bool), ()).dtype == bool
    with pytest.raises(TypeError, match="either 'logits' or 'probs'"):
        of()


def test_normal_and_uniform():
    found = drawn(lambda: tf.distributions.Normal(loc=[1.0, -2.0], scale=0.5))
    np.testing.assert_allclose([found.mean(0), found.std(0)], [[1, -2], [0.5, 0.5]], atol=0.05)
    found = drawn(lambda: tf.distributions.Uniform(2.0, high=4.0))
    assert found.min() >= 2 and found.max() < 4
    np.testing.assert_allclose([found.mean(), found.std()], [3, 2 / 12**0.5], atol=0.05)
