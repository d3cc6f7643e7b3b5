"""Texts in functions of configs: joined, compared, and hypotheses that are merged by them."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.network.tf.static import UnknownTensorFlowError
from tenure.network.tf.words import OpCodeCompiler, Words, merge

LABELS = ["a", "b", "ab", ""]  # the last one says nothing, as a blank label
CODE = """
    REGISTER_OP("GetFilteredScore").Input("prev_str: string").Input("scores: float32")
    .Input("labels: string").Output("new_scores: float32");
"""


def test_equal_texts_are_equal_however_they_were_joined():
    rng, found = np.random.RandomState(0), {}
    for labels in itertools.product(range(4), repeat=5):
        text, words = "", jnp.zeros((), jnp.uint32)
        for label in labels:
            text, words = text + LABELS[label], words + Words.of(LABELS[label])
        found.setdefault(text, set()).add(int(words))
    assert all(len(hashes) == 1 for hashes in found.values()), "one text has one hash"
    assert len({min(hashes) for hashes in found.values()}) == len(found) > 100, "and no other text has it"
    long = ["".join(rng.choice(list("xyz"), 300)) for _ in range(500)]
    assert len(np.unique(Words.of(long).hashes)) == 500


def test_numpy_arrays_and_texts_stand_ahead_of_words():
    assert int(np.uint32(0) + Words.of("b")) == int(Words.of("b").hashes)
    assert int(("a" + Words.of("b")).hashes) == int(Words.of(b"ab").hashes)


def test_equal_hypotheses_are_merged():
    texts = jnp.array([[1, 2, 1, 1], [3, 3, 3, 3]])
    scores = jnp.array([[-1.0, -2.0, -3.0, -1.0], [-math.inf] * 4])
    found = np.asarray(merge(texts, scores))
    np.testing.assert_allclose(found[0, 0], np.log(2 * np.exp(-1) + np.exp(-3)), rtol=1e-6)
    assert found[0, 1] == -2 and np.isneginf(found[0, 2:]).all() and np.isneginf(found[1]).all()


def test_operators_in_other_code_are_refused():
    with pytest.raises(UnknownTensorFlowError, match=r"'Sqr' is written in C\+\+(.|\n)*jax\.numpy"):
        OpCodeCompiler("Sqr", code='REGISTER_OP("Sqr").Input("x: float32").Output("y: float32");').load_tf_module()
    with pytest.raises(UnknownTensorFlowError, match="GetFilteredScore"):
        OpCodeCompiler(code=CODE.replace("prev_str", "texts")).load_tf_module()


# A search over 3 labels and a blank, one label in each step, whatever came before.


def joined(source, **kwargs):
    import tensorflow as tf
    from TFUtil import get_shared_vocab, where_bc

    return source(0) + where_bc(source(1), tf.gather(get_shared_vocab(LABELS), source(2)), tf.constant(""))


def merged(layer, batch_dim, scores_in, scores_base, base_beam_in, end_flags, **kwargs):
    import tensorflow as tf
    from TFUtil import OpCodeCompiler, get_shared_vocab

    texts = tf.reshape(layer.explicit_search_sources[0].output.placeholder, (batch_dim, -1))[:, :base_beam_in]
    operator = (
        OpCodeCompiler("GetFilteredScore", code_version=1, code=CODE, is_cpp=True).load_tf_module().get_filtered_score
    )
    base = operator(texts, tf.reshape(scores_base, (batch_dim, base_beam_in)), get_shared_vocab(LABELS))
    return scores_in + tf.reshape(base, (batch_dim, base_beam_in, 1))


def test_a_search_adds_what_hypotheses_of_one_text_have_as_scores():
    steps, frames = 4, np.random.RandomState(1).randn(2, 4, 4).astype("float32")
    unit = {
        "output": {
            "class": "choice",
            "from": "data:source",
            "input_type": "log_prob",
            "target": "classes",
            "beam_size": 300,
            "length_normalization": False,
            "explicit_search_sources": ["prev:text"],
            "custom_score_combine": merged,
        },
        "emits": {"class": "compare", "kind": "not_equal", "from": "output", "value": 3, "initial_output": True},
        "text": {
            "class": "eval",
            "from": ["prev:text", "emits", "output"],
            "eval": joined,
            "initial_output": None,
            "out_type": {"shape": (), "dtype": "string"},
        },
    }
    net = {
        "output": {"class": "rec", "from": "data", "unit": unit, "target": "classes"},
        "decision": {"class": "decide", "from": "output"},
    }
    model = tn.network(
        net, {"data": {"dim": 4}, "classes": {"dim": 4, "sparse": True}}, behavior_version=0, check=False
    )
    log_probs = jax.nn.log_softmax(frames)
    batch = {"data": (log_probs, np.full(2, steps))}
    params, state = model.init(jax.random.key(0), batch, train=False, losses=False, search=True)
    result, _ = model.apply(
        params, state, None, batch, train=False, losses=False, search=True, layers=("output", "decision")
    )
    for sequence in range(2):
        ends: dict[tuple[str, int], float] = {}
        for labels in itertools.product(range(4), repeat=steps):
            before, last = "".join(LABELS[x] for x in labels[:-1]), labels[-1]
            score = sum(float(log_probs[sequence, t, x]) for t, x in enumerate(labels))
            ends[before, last] = np.logaddexp(ends.get((before, last), -np.inf), score)
        best = float(result.scores["output"].data[:, sequence].max())
        np.testing.assert_allclose(best, max(ends.values()), rtol=1e-5)
