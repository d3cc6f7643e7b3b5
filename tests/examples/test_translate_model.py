"""The translator: who owns what, and that the search sees the scores that training saw."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples.translate.batches import pad
from examples.translate.model import Config, build, other_count
from examples.translate.translate import make_search
from examples.translate.vocabulary import BOS, EOS
from tenure.functional.decoding import beam_search

SIZES = dict(pieces=23, width=16, layers=2, heads=2)


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def model(request):
    return build(Config(**SIZES, tied=request.param))


def test_one_matrix_has_three_users_and_two_hops():
    model = build(Config(**SIZES))
    chain = [f"translator/{end}" for end in ("output/w", "target_embed/embeddings", "source_embed/embeddings")]
    assert list(model.ledger.chain_of(chain[0])) == chain
    assert set(model.ledger.users_of(chain[-1])) == set(chain)
    params = jax.jit(model.init)(jax.random.key(0))
    assert chain[-1].rsplit("/", 1)[0] in params
    assert not {path.rsplit("/", 1)[0] for path in chain[:-1]} & params.keys()
    assert other_count(model.config) - model.count == 2 * 23 * 16


def test_stepping_gives_the_scores_of_training(model):
    params = jax.jit(model.init)(jax.random.key(1))
    source = pad([[5, 6, 7, EOS], [8, EOS]], 2, 6)
    inputs = np.array([[BOS, 4, 9, 11, 3], [BOS, 12, 13, 14, 15]], np.int32)
    whole = jax.jit(model.logits)(params, None, source, inputs)
    cache = jax.jit(model.start, static_argnums=2)(params, source, 5)
    step = jax.jit(model.step)
    for position in range(5):
        scores, cache = step(params, inputs[:, position], jnp.int32(position), cache)
        np.testing.assert_allclose(scores, whole[:, position], rtol=2e-4, atol=2e-5)


def test_padding_changes_no_score(model):
    params = jax.jit(model.init)(jax.random.key(2))
    inputs = np.array([[BOS, 4, 9]], np.int32)
    short, long = (jax.jit(model.logits)(params, None, pad([[5, 6, EOS]], 1, n), inputs) for n in (3, 9))
    np.testing.assert_allclose(short, long, rtol=2e-4, atol=2e-5)


def test_a_key_turns_dropout_on(model):
    params = jax.jit(model.init)(jax.random.key(3))
    args = (pad([[5, EOS]], 1, 4), np.array([[BOS, 4]], np.int32))
    off, one, other = (
        jax.jit(model.logits)(params, key, *args) for key in (None, jax.random.key(0), jax.random.key(1))
    )
    assert not np.allclose(off, one) and not np.allclose(one, other)


def test_the_search_is_by_the_score_of_training(model):
    """The score that the search returns is that of its result in one forward pass."""
    params = jax.jit(model.init)(jax.random.key(4))
    params["translator/decoder/norm"]["scale"] *= 3  # less even scores
    source = pad([[5, 6, 7, EOS], [8, EOS]], 2, 6)

    def step(pieces, position, cache):
        logits, cache = model.step(params, pieces, position, cache)
        return jax.nn.log_softmax(logits), cache

    sizes = dict(sentences=2, beam=3, length=6, bos=BOS, eos=EOS, alpha=1.0)
    start = jax.jit(model.start, static_argnums=2)(params, source, 6)
    pieces, scores = jax.jit(lambda start: beam_search(step, start, **sizes))(start)
    inputs = jnp.concatenate([jnp.full((2, 1), BOS), pieces[:, :-1]], 1)
    each = jax.nn.log_softmax(jax.jit(model.logits)(params, None, source, inputs))
    each = jnp.take_along_axis(each, pieces[..., None], -1)[..., 0]
    for row in range(2):
        ends = np.flatnonzero(np.asarray(pieces[row]) == EOS)
        count = int(ends[0]) + 1 if len(ends) else 6
        np.testing.assert_allclose(scores[row], each[row, :count].mean(), rtol=1e-3)


def test_the_search_gives_neither_padding_nor_begin(model):
    params = jax.jit(model.init)(jax.random.key(5))
    pieces = np.asarray(make_search(model, beam=2)(params, pad([[5, 6, EOS]], 1, 4)))
    assert pieces.shape == (1, 8)
    assert not np.isin(pieces, [0, BOS]).any()
