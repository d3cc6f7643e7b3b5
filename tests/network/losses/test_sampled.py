"""Sampled classes, and the softmax over them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network.losses import frames, sampled


def test_samples_are_different_classes_and_expected_as_often_as_they_come():
    probs = sampled.noise("log_uniform", 12)
    assert probs.sum() == pytest.approx(1)
    drawn = [sampled.sample(jax.random.key(i), probs, 4) for i in range(300)]
    assert all(len(set(d.classes.tolist())) == 4 for d in drawn[:20])
    counts = np.bincount(np.concatenate([d.classes for d in drawn]), minlength=12) / 300
    assert drawn[0].expected.sum() == pytest.approx(4, rel=1e-3)
    assert np.abs(counts - drawn[0].expected).max() < 0.12


def test_a_sampled_softmax_over_all_classes_is_the_softmax():
    rng = np.random.RandomState(0)
    w, b, x = (jnp.asarray(rng.randn(*s), jnp.float32) for s in ((5, 3), (5,), (2, 3)))
    everything = sampled.Sample(jnp.arange(5), jnp.ones(5))
    labels = jnp.array([1, 4])
    true, other = sampled.logits_of(w, b, x, labels, everything, remove_hits=True)
    expected = frames.cross_entropy(jax.nn.log_softmax(x @ w.T + b), labels)
    assert np.allclose(sampled.sampled_softmax(true, other), expected, atol=1e-5)
