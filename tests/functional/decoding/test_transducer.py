"""Searches of transducers against all alignments of small vocabularies, and greedy decoding against a walk."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional.decoding import transducer_search
from tests.functional.decoding.transducers import BATCH, BLANK, LENGTHS, MOST, Transducer, lm_of


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
