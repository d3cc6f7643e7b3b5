"""CTC against enumeration of all paths."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network.losses import ctc
from tests.network.losses.paths import make, spoken


def enumerated(log_probs, labels, blank, label_loop):
    t, n = log_probs.shape
    totals = [
        sum(log_probs[i, a] for i, a in enumerate(path))
        for path in itertools.product(range(n), repeat=t)
        if spoken(path, blank, label_loop) == list(labels)
    ]
    return (np.logaddexp.reduce(totals), max(totals)) if totals else (-np.inf, -np.inf)


@pytest.mark.parametrize("label_loop", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_all_paths(seed, label_loop):
    log_probs, frames, labels, lengths = make(seed)
    topology = ctc.Topology(2, label_loop)
    for best in (False, True):
        found = ctc.scores(
            jnp.asarray(log_probs), jnp.asarray(frames), jnp.asarray(labels), jnp.asarray(lengths), topology, best
        )
        for b in range(len(frames)):
            expected = enumerated(log_probs[b, : frames[b]], labels[b, : lengths[b]], 2, label_loop)[best]
            if np.isinf(expected):
                assert found[b] < ctc.IMPOSSIBLE / 2
            else:
                assert found[b] == pytest.approx(expected, rel=1e-5)


def test_the_best_path_has_the_best_score_and_says_the_labels():
    log_probs, frames, labels, lengths = make(1)
    topology = ctc.Topology(2)
    path, scores = ctc.best_path(*map(jnp.asarray, (log_probs, frames, labels, lengths)), topology)
    for b, n in enumerate(frames):
        if scores[b] > ctc.IMPOSSIBLE / 2:
            own = [int(a) for a in path[b, :n]]
            assert spoken(own, 2, True) == list(labels[b, : lengths[b]])
            assert sum(log_probs[b, i, a] for i, a in enumerate(own)) == pytest.approx(float(scores[b]), rel=1e-5)


def test_the_soft_alignment_is_a_distribution_over_labels():
    log_probs, frames, labels, lengths = make(2)
    lengths = np.minimum(lengths, 1)
    soft, _ = ctc.soft_alignment(*map(jnp.asarray, (log_probs, frames, labels, lengths)), ctc.Topology(2))
    expected = (np.arange(4) < frames[:, None]).astype(float)
    assert np.allclose(soft.sum(-1), expected, atol=1e-5)


def test_a_sequence_without_a_path():
    logits = jnp.asarray(np.random.RandomState(0).randn(1, 2, 3), jnp.float32)
    args = (logits, jnp.array([2]), jnp.array([[0, 0]]), jnp.array([2]), ctc.Topology(2))  # needs a blank in between
    assert ctc.loss(*args)[0] == np.inf
    gradient = jax.jit(jax.grad(lambda x: ctc.loss(x, *args[1:])[0]))(logits)
    assert np.allclose(gradient, jax.nn.softmax(logits), atol=1e-6)
    quiet = ctc.NoPath(0.0, flat_gradient=False)
    assert ctc.loss(*args, no_path=quiet)[0] == 0
    assert not np.any(jax.jit(jax.grad(lambda x: ctc.loss(x, *args[1:], no_path=quiet)[0]))(logits))
    longer = (logits, jnp.array([1]), *args[2:])
    assert ctc.loss(*longer, no_path=ctc.NoPath(ignore_longer=True))[0] == 0


def test_a_batch_without_frames():
    args = (jnp.zeros((2, 0, 3)), jnp.zeros(2, int), jnp.array([[1], [0]]), jnp.array([0, 1]), ctc.Topology(2))
    assert ctc.loss(*args).tolist() == [0, np.inf]  # nothing says no label, and no path says one
    assert ctc.best_path(*args)[0].shape == (2, 0)
