"""Prefix search against all paths of small vocabularies."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional.decoding import LanguageModel, ctc_search

BATCH, FRAMES, SIZE, BLANK = 3, 5, 3, 1
LENGTHS = np.array([5, 3, 0])


def frames_of(seed):
    rng = np.random.RandomState(seed)
    return np.log(rng.dirichlet(np.ones(SIZE), (BATCH, FRAMES))).astype("float32")


def spoken(path):
    return tuple(a for i, a in enumerate(path) if a != BLANK and not (i and path[i - 1] == a))


def table(seed):
    """A language model that depends on the two labels before: the second one is in the state only."""
    scores = np.log(np.random.RandomState(seed).dirichlet(np.ones(SIZE), (SIZE, SIZE))).astype("float32")

    def step(labels, before):
        return jnp.asarray(scores)[before, labels], labels

    def total(labels, end):
        before, last, found = 0, 2, 0.0
        for label in [*labels, *([] if end is None else [end])]:
            found += scores[before, last, label]
            before, last = last, label
        return found

    return LanguageModel(step, jnp.zeros((BATCH,), jnp.int32), start=2), total


def every(log_probs, score):
    """All label sequences of one sequence's frames with their scores, best first."""
    found = {}
    for path in itertools.product(range(SIZE), repeat=len(log_probs)):
        one = sum(log_probs[t, a] for t, a in enumerate(path))
        found[spoken(path)] = np.logaddexp(found.get(spoken(path), -np.inf), one)
    return sorted(((s + score(labels), labels) for labels, s in found.items()), reverse=True)


OPTIONS = [(None, 0.0, None), (0.5, 0.0, None), (1.5, 0.7, 0), (None, -1.0, None)]


@pytest.mark.parametrize(("scale", "bonus", "end"), OPTIONS)
@pytest.mark.parametrize("seed", range(2))
def test_a_wide_beam_has_the_scores_of_all_paths(seed, scale, bonus, end):
    x = frames_of(seed)
    model, total = table(seed + 10)
    if scale is not None:
        model = LanguageModel(model.step, model.state, model.start, scale, end)

    def score(labels):
        return bonus * len(labels) + (0.0 if scale is None else scale * total(labels, end))

    fused = None if scale is None else model
    found = jax.jit(lambda x: ctc_search(x, LENGTHS, blank=BLANK, beam=64, model=fused, label_bonus=bonus))(x)
    for b, n in enumerate(LENGTHS):
        wanted = every(x[b, :n], score)
        got = [tuple(np.asarray(y)[:m].tolist()) for y, m in zip(found.labels[b], found.lengths[b], strict=True)]
        np.testing.assert_allclose(found.scores[b, : len(wanted)], [s for s, _ in wanted], rtol=1e-4, atol=1e-5)
        assert got[: len(wanted)] == [labels for _, labels in wanted]
        assert np.all(np.isneginf(found.scores[b, len(wanted) :]))


def by_hand(log_probs, width):
    """Prefix search with a dictionary of prefixes."""
    beams = {(): (0.0, -np.inf)}
    for frame in log_probs:
        new = {}
        for prefix, (blank, label) in beams.items():
            total = np.logaddexp(blank, label)
            for c, s in enumerate(frame):
                if c == BLANK:
                    ways = [(prefix, 0, total + s)]
                elif prefix and prefix[-1] == c:
                    ways = [(prefix, 1, label + s), ((*prefix, c), 1, blank + s)]
                else:
                    ways = [((*prefix, c), 1, total + s)]
                for longer, kind, score in ways:
                    old = list(new.get(longer, (-np.inf, -np.inf)))
                    old[kind] = np.logaddexp(old[kind], score)
                    new[longer] = tuple(old)
        beams = dict(sorted(new.items(), key=lambda item: -np.logaddexp(*item[1]))[:width])
    return [(float(np.logaddexp(*s)), p) for p, s in beams.items()]


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_a_narrow_beam_keeps_what_a_dictionary_of_prefixes_keeps(width):
    """Prefixes that drop out of the beam and come back are one with those that stayed."""
    rng = np.random.RandomState(width)
    x = np.log(rng.dirichlet(np.ones(SIZE), (8, 12))).astype("float32")
    found = ctc_search(jnp.asarray(x), jnp.full((8,), 12), blank=BLANK, beam=width)
    for b in range(8):
        for k, (score, labels) in enumerate(by_hand(x[b], width)):
            assert float(found.scores[b, k]) == pytest.approx(score, rel=1e-4)
            assert tuple(np.asarray(found.labels[b, k])[: found.lengths[b, k]].tolist()) == labels


def test_at_most_so_many_labels_and_padding_changes_nothing():
    x = frames_of(4)
    poisoned = np.where(np.arange(FRAMES)[:, None] < LENGTHS[:, None, None], x, np.nan)
    clean, dirty = (
        ctc_search(jnp.asarray(y), LENGTHS, blank=BLANK, beam=8, max_labels=2, best=3) for y in (x, poisoned)
    )
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
    assert clean.labels.shape == (3, 3, 2) and int(clean.lengths.max()) <= 2
    none = ctc_search(jnp.zeros((2, 0, SIZE)), jnp.zeros((2,), jnp.int32), blank=BLANK, beam=2)
    np.testing.assert_array_equal(none.scores[:, 0], [0, 0])


def test_numbers_that_do_not_fit_are_told():
    x = jnp.zeros((1, 2, SIZE))
    with pytest.raises(ValueError, match="best is 3, and a beam of 2"):
        ctc_search(x, jnp.array([2]), blank=BLANK, beam=2, best=3)
    with pytest.raises(ValueError, match="the blank is 3, and there are the labels 0 to 2"):
        ctc_search(x, jnp.array([2]), blank=SIZE, beam=2)
    with pytest.raises(ValueError, match="at least one"):
        ctc_search(x, jnp.array([2]), blank=BLANK, beam=0)
    longer, whole = (ctc_search(x, jnp.array([n]), blank=BLANK, beam=2) for n in (7, 2))
    jax.tree.map(np.testing.assert_array_equal, longer, whole)
