"""The transducer's loss against the sum over all alignments, one by one."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional import transducer_loss


def one_by_one(log_probs, labels, frames):
    """-log of the sum over alignments: `frames` blanks and all labels, the last one a blank."""
    total = -np.inf
    for places in itertools.combinations(range(frames - 1 + len(labels)), len(labels)):
        score, t, u = 0.0, 0, 0
        for step in range(frames - 1 + len(labels)):
            if step in places:
                score, u = score + log_probs[t, u, labels[u]], u + 1
            else:
                score, t = score + log_probs[t, u, 0], t + 1
        total = np.logaddexp(total, score + log_probs[t, u, 0])
    return -total


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 5, 4, 6)).astype("float32")
    labels = rng.integers(1, 6, (4, 3))
    return logits, labels, np.array([5, 3, 1, 4]), np.array([3, 2, 1, 0])


def test_it_is_the_sum_over_all_alignments(batch):
    logits, labels, frames, lengths = batch
    found = jax.jit(transducer_loss)(*map(jnp.asarray, batch))
    log_probs = np.asarray(jax.nn.log_softmax(logits))
    expected = [one_by_one(log_probs[b], labels[b, : lengths[b]], frames[b]) for b in range(4)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_gradients_are_those_of_differences_and_nothing_beyond_the_end_counts(batch):
    logits, labels, frames, lengths = map(jnp.asarray, batch)

    def loss(x):
        return transducer_loss(x, labels, frames, lengths).sum()

    gradient = jax.grad(loss)(logits)
    direction = jax.random.normal(jax.random.key(0), logits.shape)
    step = 1e-2
    difference = (loss(logits + step * direction) - loss(logits - step * direction)) / (2 * step)
    np.testing.assert_allclose(jnp.vdot(gradient, direction), difference, rtol=1e-3)
    inside = (jnp.arange(5)[:, None] < frames[:, None, None]) & (jnp.arange(4) <= lengths[:, None, None])
    assert not gradient[~inside].any() and jnp.isfinite(gradient).all()
    hostile = jnp.where(inside[..., None], logits, 1e3)
    np.testing.assert_allclose(
        transducer_loss(hostile, labels, frames, lengths), transducer_loss(logits, labels, frames, lengths)
    )


def test_an_impossible_label_costs_much_and_makes_no_nan(batch):
    logits, labels, frames, lengths = map(jnp.asarray, batch)
    impossible = logits.at[..., 1:].set(-jnp.inf)
    loss, gradient = jax.value_and_grad(lambda x: transducer_loss(x, labels, frames, lengths)[3])(impossible)
    assert float(loss) == 0.0 and not jnp.isnan(transducer_loss(impossible, labels, frames, lengths)).any()
