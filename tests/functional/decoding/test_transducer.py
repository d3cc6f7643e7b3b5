"""Searches of transducers against all alignments of small vocabularies, and greedy decoding against a walk."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional.decoding import LanguageModel, label_looping, transducer_search

BATCH, FRAMES, SIZE, BLANK, MOST = 3, 3, 3, 2, 2
LENGTHS = np.array([3, 1, 2])
WIDTH = 5


class Transducer:
    """A prediction network that remembers two labels (one in its state only), and a joint network."""

    def __init__(self, seed, sharp=2.0):
        rng = np.random.RandomState(seed)
        self.encoder = rng.randn(BATCH, FRAMES, WIDTH).astype("float32")
        self.table = rng.randn(SIZE, SIZE, WIDTH).astype("float32")
        self.out = (sharp * rng.randn(WIDTH, SIZE)).astype("float32")
        self.state = jnp.full((BATCH,), BLANK, jnp.int32)

    def predict(self, labels, before):
        return jnp.asarray(self.table)[before, labels], labels

    def join(self, frames, prediction):
        return jax.nn.log_softmax(jnp.tanh(frames + prediction) @ self.out)

    def scores(self, b, t, labels):
        before, last = ([BLANK, BLANK, *labels])[-2:]
        logits = np.tanh(self.encoder[b, t] + self.table[before, last]) @ self.out
        return logits - np.log(np.sum(np.exp(logits)))

    def probability(self, b, labels):
        """Of a label sequence, all alignments summed up."""
        n, total = int(LENGTHS[b]), -np.inf
        for places in itertools.combinations_with_replacement(range(n), len(labels)):
            score, said = 0.0, 0
            for t in range(n):
                for _ in range(places.count(t)):
                    score += self.scores(b, t, labels[:said])[labels[said]]
                    said += 1
                score += self.scores(b, t, labels[:said])[BLANK]
            total = np.logaddexp(total, score)
        return total


def lm_of(seed):
    scores = np.log(np.random.RandomState(seed).dirichlet(np.ones(SIZE), SIZE)).astype("float32")
    return LanguageModel(
        lambda labels, s: (jnp.asarray(scores)[labels], s), (), start=BLANK, scale=0.6, end=BLANK
    ), scores


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_a_wide_beam_has_the_scores_of_all_alignments(seed, fused):
    net = Transducer(seed)
    model, table = lm_of(seed)

    def lm_score(labels):
        return 0.6 * sum(table[a, b] for a, b in itertools.pairwise([BLANK, *labels, BLANK])) if fused else 0.0

    texts = [t for n in range(MOST + 1) for t in itertools.product([0, 1], repeat=n)]
    found = jax.jit(
        lambda x: transducer_search(
            x, LENGTHS, net.predict, net.join, net.state, blank=BLANK, beam=12, max_labels=MOST, best=len(texts), model=model if fused else None
        )
    )(net.encoder)  # fmt: skip
    for b in range(BATCH):
        wanted = sorted(((net.probability(b, t) + lm_score(t), t) for t in texts), reverse=True)
        np.testing.assert_allclose(found.scores[b], [s for s, _ in wanted], rtol=1e-4)
        got = [tuple(np.asarray(y)[:m].tolist()) for y, m in zip(found.labels[b], found.lengths[b], strict=True)]
        assert got == [t for _, t in wanted]
    one = transducer_search(
        jnp.asarray(net.encoder), LENGTHS, net.predict, net.join, net.state, blank=BLANK, beam=12, max_labels=MOST, model=model if fused else None
    )  # fmt: skip
    np.testing.assert_allclose(one.scores[:, 0], found.scores[:, 0], rtol=1e-5)  # stopping early changes nothing


def walk(net, b, most, per_frame=None, table=None, scale=0.6):
    """Greedy decoding of one sequence, frame by frame."""
    labels, frames, score, t, here = [], [], 0.0, 0, 0
    while t < LENGTHS[b] and len(labels) < most:
        scores = net.scores(b, t, labels)
        if np.argmax(scores) == BLANK:
            t, here, score = t + 1, 0, score + scores[BLANK]
            continue
        extra = np.zeros(SIZE) if table is None else scale * table[[BLANK, *labels][-1]]
        label = int(np.argmax(np.where(np.arange(SIZE) == BLANK, -np.inf, scores + extra)))
        score += scores[label] + extra[label]
        labels.append(label)
        frames.append(t)
        here += 1
        if here == per_frame:
            t, here = t + 1, 0
    return labels, frames, score


@pytest.mark.parametrize("per_frame", [None, 1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_label_looping_walks_as_frame_by_frame(seed, per_frame):
    net = Transducer(seed, sharp=1.0)
    model, table = lm_of(seed)
    for fused in (None, model):
        found = jax.jit(
            lambda x, fused=fused: label_looping(
                x, LENGTHS, net.predict, net.join, net.state, blank=BLANK, max_labels=6, max_labels_per_frame=per_frame, model=fused
            )
        )(net.encoder)  # fmt: skip
        for b in range(BATCH):
            labels, frames, score = walk(net, b, 6, per_frame, None if fused is None else table)
            n = len(labels)
            assert int(found.lengths[b]) == n and found.labels[b, :n].tolist() == labels
            assert found.frames[b, :n].tolist() == frames and not np.any(found.labels[b, n:])
            assert float(found.scores[b]) == pytest.approx(score, rel=1e-4)


def test_predict_is_called_once_for_each_label_of_the_longest():
    """That is what label looping is for: blanks call the joint network only."""
    net, calls = Transducer(2, sharp=1.0), []

    def predict(labels, state):
        jax.debug.callback(lambda _: calls.append(1), labels)
        return net.predict(labels, state)

    found = label_looping(jnp.asarray(net.encoder), LENGTHS, predict, net.join, net.state, blank=BLANK, max_labels=6)
    jax.effects_barrier()
    assert int(found.lengths.max()) <= len(calls) <= int(found.lengths.max()) + 2
