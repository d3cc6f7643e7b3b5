"""A transducer of tables, and a walk through its lattice."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from tenure.functional.decoding import LanguageModel

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
