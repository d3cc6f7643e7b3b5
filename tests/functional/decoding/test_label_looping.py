"""Greedy decoding, label by label, against a walk frame by frame."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional.decoding import label_looping
from tests.functional.decoding.transducers import BATCH, BLANK, LENGTHS, SIZE, Transducer, lm_of


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
