"""CTC against enumeration of all paths."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network.losses import ctc, decode


def spoken(path, blank, label_loop):
    """What a path of frames says."""
    runs = [a for i, a in enumerate(path) if not (label_loop and i and path[i - 1] == a)]
    return [a for a in runs if a != blank]


def enumerated(log_probs, labels, blank, label_loop):
    t, n = log_probs.shape
    totals = [
        sum(log_probs[i, a] for i, a in enumerate(path))
        for path in itertools.product(range(n), repeat=t)
        if spoken(path, blank, label_loop) == list(labels)
    ]
    return (np.logaddexp.reduce(totals), max(totals)) if totals else (-np.inf, -np.inf)


def make(seed, batch=3, t=4, n=3):
    rng = np.random.RandomState(seed)
    log_probs = np.log(rng.dirichlet(np.ones(n), size=(batch, t))).astype("float32")
    return log_probs, np.array([4, 3, 2]), rng.randint(0, n - 1, (batch, 3)), np.array([2, 3, 0])


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


def decoded(log_probs, width, merge):
    labels, lengths = decode.beam(jnp.asarray(log_probs)[None], jnp.array([len(log_probs)]), 2, width, merge)
    return labels[0, : int(lengths[0])].tolist()


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_most_probable_labels(seed):
    log_probs = make(seed, batch=1, t=4, n=3)[0][0]
    totals = {}
    for path in itertools.product(range(3), repeat=4):
        key = tuple(spoken(path, 2, True))
        totals[key] = np.logaddexp(totals.get(key, -np.inf), sum(log_probs[i, a] for i, a in enumerate(path)))
    assert decoded(log_probs, 64, merge=False) == list(max(totals, key=totals.get))


def test_decoding_inside_of_a_compiled_program():
    logits = jnp.log(jax.nn.one_hot(jnp.array([[0, 0, 2, 0, 1]]), 3) * 0.9 + 0.03)
    for decoder in (decode.greedy, lambda x, n, blank: decode.beam(x, n, blank, 10, merge=False)):
        labels, lengths = jax.jit(lambda x, n, d=decoder: d(x, n, 2))(logits, jnp.array([5]))
        assert labels[0, : int(lengths[0])].tolist() == [0, 0, 1]


def test_the_search_merges_equal_neighbours_as_tensorflow_does():
    log_probs = np.log(np.asarray(jax.nn.one_hot(jnp.array([0, 2, 0]), 3)) * 0.9 + 0.03)
    assert decoded(log_probs, 10, merge=True) == [0]
    assert decoded(log_probs, 10, merge=False) == [0, 0]
