"""Beam search against trying every sentence, with a model that is a random table."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional.decoding import beam_search

BOS, EOS, PIECES, LENGTH = 0, 1, 4, 4


def table_model(seed, sentences, length=LENGTH, pieces=PIECES):
    """Scores that depend on the sentence, the position and the two last pieces.

    The piece before the last is only in the cache, so that hypotheses that do not
    take their parent's cache along give wrong scores.
    """
    shape = (sentences, length, pieces, pieces, pieces)
    table = jax.nn.log_softmax(2 * jax.random.normal(jax.random.key(seed), shape))

    def step(last, position, cache):
        scores = table[cache["sentence"], position, cache["before"], last]
        return scores, cache | {"before": last}

    cache = {"sentence": jnp.arange(sentences), "before": jnp.zeros(sentences, jnp.int32)}
    return np.asarray(table), step, cache


def all_sentences(length=LENGTH, pieces=PIECES):
    """Every finished sentence of at most `length` pieces."""
    others = [piece for piece in range(pieces) if piece != EOS]
    for words in range(length):
        yield from ((*text, EOS) for text in itertools.product(others, repeat=words))


def score(table, text):
    before, last, total = 0, BOS, 0.0
    for position, piece in enumerate(text):
        total += table[position, before, last, piece]
        before, last = last, piece
    return total


def search(step, cache, sentences, beam, alpha, length=LENGTH):
    choices = dict(sentences=sentences, beam=beam, length=length, bos=BOS, eos=EOS, alpha=alpha)
    pieces, scores = jax.jit(lambda cache: beam_search(step, cache, **choices))(cache)
    return np.asarray(pieces), np.asarray(scores)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(2))
def test_a_wide_beam_finds_the_best_of_all_sentences(seed, alpha):
    table, step, cache = table_model(seed, sentences=3)
    pieces, scores = search(step, cache, sentences=3, beam=PIECES**LENGTH, alpha=alpha)
    for row in range(3):
        value = lambda text: score(table[row], text) / len(text) ** alpha  # noqa: B023, E731
        best = max(all_sentences(), key=value)
        assert tuple(pieces[row][: len(best)]) == best
        assert (pieces[row][len(best) :] == EOS).all()
        np.testing.assert_allclose(scores[row], value(best), rtol=1e-5)


def test_a_sentence_is_not_changed_by_those_beside_it():
    _, step, cache = table_model(7, sentences=5)
    together, _ = search(step, cache, sentences=5, beam=3, alpha=1.0)
    for row in range(5):
        one = jax.tree.map(lambda leaf: leaf[row : row + 1], cache)  # noqa: B023
        alone, _ = search(step, one, sentences=1, beam=3, alpha=1.0)
        np.testing.assert_array_equal(alone[0], together[row])


def test_without_an_end_the_best_unfinished_translation_is_returned():
    def step(last, position, cache):
        scores = jnp.full((last.shape[0], PIECES), -5.0).at[:, EOS].set(-1e9)
        return scores.at[:, 3].set(-0.1), cache

    pieces, _ = search(step, {"any": jnp.zeros(2)}, sentences=2, beam=2, alpha=1.0)
    np.testing.assert_array_equal(pieces, np.full((2, LENGTH), 3))
