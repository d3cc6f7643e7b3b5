"""Losses as functions of arrays, against definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.network.losses import clusters, frames, sampled
from tenure.network.losses.edit_distance import distances


def levenshtein(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_edit_distance(a, b):
    padded = [np.pad(np.array(x, int), (0, 7 - len(x)), constant_values=9)[None] for x in (a, b)]
    found = distances(padded[0], jnp.array([len(a)]), padded[1], jnp.array([len(b)]))
    assert found.tolist() == [levenshtein(a, b)]


def test_binary_cross_entropy_is_stable_and_weighted():
    x, t = jnp.array([-100.0, 0.5, 100.0]), jnp.array([1.0, 0.0, 0.0])
    p = 1 / (1 + np.exp(-np.asarray(x, np.float64)))
    expected = -(3.0 * np.asarray(t) * np.log(p) + (1 - np.asarray(t)) * np.log1p(-np.minimum(p, 1 - 1e-16)))
    found = frames.binary_cross_entropy(x, t, 3.0)
    assert np.allclose(found[:2], expected[:2], rtol=1e-5) and found[2] == 100
    assert np.all(np.isfinite(jax.grad(lambda x: frames.binary_cross_entropy(x, t).sum())(x)))


def test_smoothing_is_zero_at_its_best():
    soft = frames.smoothed_targets(jnp.array([1]), 4, 0.1)
    assert soft.sum() == pytest.approx(1)
    best = frames.cross_entropy(jnp.log(soft), soft) - frames.smoothing_floor(4, 0.1)
    assert best[0] == pytest.approx(0, abs=1e-6)


def test_a_bound_changes_the_value_and_not_the_gradient():
    value, gradient = jax.value_and_grad(lambda x: frames.bounded(x**2, 4.0))(3.0)
    assert (value, gradient) == (4, 6)


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


def test_deep_clustering_vanishes_for_perfect_embeddings():
    target = jax.nn.one_hot(jnp.array([[0, 1, 1, 0]]), 2).reshape(1, 2, 4)
    keep = jnp.ones((1, 2), bool)
    assert clusters.deep_clustering(target, target, keep, 2, 2)[0] == pytest.approx(0, abs=1e-5)
    assert clusters.deep_clustering(target[..., ::-1] * 2, target, keep, 2, 2)[0] > 1


def test_triplets_count_pairs():
    same = clusters.pairs(jnp.array([[1.0, 0], [1, 0], [0, 1]]), jnp.array([1, 1, 2]), 0.5)
    assert same == pytest.approx(0, abs=1e-6)
    assert clusters.pairs(jnp.array([[1.0, 0], [1, 0]]), jnp.array([1, 2]), 0.5) == pytest.approx(0.5)


def test_generic_cross_entropy_of_a_softmax_has_its_own_gradient():
    from tests.network.layers.running import BATCH, KEEP, LABELS, data, run

    net = {"output": {"class": "softmax", "n_out": 4, "from": "data", "loss": "generic_ce"}}
    result, params = run(net)
    probs = np.asarray(result.outputs["output"].batch_first().data)
    picked = np.take_along_axis(probs, LABELS[..., None], -1)[..., 0]
    assert float(result.losses["output"].loss) == pytest.approx(-np.log(picked)[KEEP].sum(), rel=1e-5)

    import tenure.network as network

    model = network.Network(net, data())
    grads = jax.grad(lambda p: model.apply(p, {}, None, BATCH)[0].loss)(params)
    by_logits = (1 - 4 * probs) * (probs - np.eye(4)[LABELS])
    assert np.allclose(grads["output"]["b"], by_logits[KEEP].sum(0), atol=1e-4)


def test_the_gradient_of_targets_that_do_not_sum_to_one_is_tensorflows():
    logits, target = jnp.array([0.3, -1.0, 2.0]), jnp.array([0.5, 0.1, 0.1])
    value, gradient = jax.value_and_grad(frames.softmax_cross_entropy)(logits, target)
    assert value == pytest.approx(float(-(target * jax.nn.log_softmax(logits)).sum()), rel=1e-5)
    assert np.allclose(gradient, jax.nn.softmax(logits) - target, atol=1e-6)
