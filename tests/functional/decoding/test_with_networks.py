"""A recogniser and a language model that are networks as data, searched together."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.functional.decoding import LanguageModel, ctc_search
from tenure.network.losses.ctc import Topology, loss

RECOGNISER = {"output": {"class": "softmax", "from": "data", "loss": "ctc", "target": "classes"}}
SPEECH = {"data": {"dim": 4}, "classes": {"dim": 2, "sparse": True, "available_for_inference": False}}
WORDS = {
    "embed": {"class": "linear", "n_out": 4, "activation": None, "from": "data"},
    "lstm": {"class": "rec", "unit": "nativelstm2", "n_out": 5, "from": "embed", "initial_state": "keep_over_epoch"},
    "output": {"class": "softmax", "from": "lstm", "n_out": 3},
}


def sharpened(params):
    return jax.tree.map(lambda x: 3 * x + 0.5, params)


@pytest.mark.slow
def test_a_network_that_keeps_its_states_is_a_step():
    recogniser = tn.network(RECOGNISER, SPEECH, behavior_version=0)
    words = tn.network(WORDS, {"data": {"dim": 3, "sparse": True}}, behavior_version=0)
    x, lengths = np.random.RandomState(0).randn(2, 4, 4).astype("float32"), np.array([4, 3])
    params, _ = recogniser.init(jax.random.key(0), {"data": (x, lengths)}, train=False, losses=False)
    given = {"data": (np.zeros((2, 1), int), np.ones(2, int))}
    lm_params, start = words.init(jax.random.key(1), given, train=False)
    lm_params = sharpened(lm_params)

    def step(labels, state):
        batch = {"data": (labels[:, None], jnp.ones(len(labels), jnp.int32))}
        result, state = words.apply(lm_params, state, None, batch)
        return jnp.log(result.outputs["output"].data[0]), state

    @jax.jit
    def search(x, lengths):
        result, _ = recogniser.apply(params, {}, None, {"data": (x, lengths)}, losses=False)
        log_probs = jnp.log(result.outputs["output"].batch_first().data)
        model = LanguageModel(step, start, start=2, scale=0.7)
        return log_probs, ctc_search(log_probs, lengths, blank=2, beam=32, model=model, best=1)

    log_probs, found = search(x, lengths)
    texts = [t for k in range(5) for t in itertools.product(range(2), repeat=k)]
    sizes = np.array([len(t) for t in texts])
    rows = np.array([[*t, *[0] * (4 - len(t))] for t in texts])
    whole = {"data": (np.pad(rows, ((0, 0), (1, 0)), constant_values=2)[:, :-1], sizes)}
    states = jax.tree.map(lambda x: jnp.zeros((len(texts), x.shape[1])), start)
    said = np.log(words.apply(lm_params, states, None, whole)[0].outputs["output"].batch_first().data)
    keep = np.arange(4) < sizes[:, None]
    fused = np.sum(np.where(keep, np.take_along_axis(said, rows[..., None], axis=2)[..., 0], 0), axis=1)
    for b, n in enumerate(lengths):
        x = jnp.broadcast_to(log_probs[b], (len(texts), *log_probs[b].shape))
        spoken = -loss(x, jnp.full(len(texts), n), jnp.asarray(rows), jnp.asarray(sizes), Topology(2))
        total = np.asarray(spoken) + 0.7 * fused
        best = int(np.argmax(total))
        assert tuple(found.labels[b, 0, : int(found.lengths[b, 0])].tolist()) == texts[best]
        np.testing.assert_allclose(found.scores[b, 0], total[best], rtol=1e-4)
