"""Beams: hypotheses of one search go on in another."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tests.network.searches import LABELS, decoder, search, with_gold


def test_two_choices_and_a_loop_in_a_loop_search_together():
    first = {"class": "choice", "target": "classes", "beam_size": 5, "from": "q", "initial_output": 0}
    q = {"class": "softmax", "n_out": LABELS, "from": ["prev:s", "prev:att"], "target": None}
    net = decoder({"beam_size": 3}, rec={"max_seq_len": 2}, q=q, first=first)
    net["output"]["unit"]["p"]["from"] = ["s", "att", "e"]
    net["output"]["unit"]["e"] = {"class": "linear", "n_out": 3, "activation": None, "from": "first"}
    net["output"]["unit"]["first"]["is_output_layer"] = True
    net["both"] = {"class": "copy", "from": "output/first", "is_output_layer": True}
    result = search(net)
    assert result.outputs["output"].shape[1:] == (3, 2) and result.outputs["both"].beam_dim is not None
    scores = np.asarray(result.scores["output"].data)
    assert np.all(np.diff(scores, axis=0) <= 1e-6)


def test_a_search_in_a_step_of_a_search_continues_its_hypotheses():
    unit = {
        "output": {"class": "choice", "target": "classes", "beam_size": 2, "from": "q", "initial_output": 0},
        "q": {"class": "softmax", "n_out": LABELS, "from": ["base:s", "e"], "target": None},
        "e": {"class": "linear", "n_out": 2, "from": "prev:output"},
        "end": {"class": "compare", "value": 0, "from": "output"},
    }
    inner = {"class": "rec", "from": [], "max_seq_len": 2, "target": "classes", "unit": unit}
    first = {"class": "gather", "from": "inner", "axis": "T", "position": "zero"}
    zero = {"class": "constant", "value": 0, "dtype": "int32"}
    net = decoder(
        {"beam_size": 3}, inner=inner, first=first, zero=zero, f={"class": "linear", "n_out": 2, "from": "first"}
    )
    net["output"]["unit"]["p"]["from"] = ["s", "att", "f"]
    scores = np.asarray(with_gold(net).scores["output"].data)
    assert scores.shape == (3, 2) and np.all(np.isfinite(scores)) and np.all(np.diff(scores, axis=0) <= 1e-6)


def test_a_search_may_ask_for_a_layer_that_is_there_on_evaluation_only():
    net = decoder({"beam_size": 3})
    net["decision"] = {"class": "decide", "from": "output", "loss": "edit_distance", "only_on_eval": True}
    found = search(net, layers=["decision"])
    assert found.outputs["decision"].beam_dim is None and found.outputs["decision"].shape[0] == 2


def test_a_search_over_what_another_one_found_sees_each_hypothesis_at_its_own_length():
    """The second search attends to the outputs of the first one; its best score is that of the best of all pairs of sequences."""
    labels, longest = 3, 2
    both = {"class": "rec", "from": [], "max_seq_len": longest, "include_eos": True}

    def loop(target, size, state):
        return {
            "output": {"class": "choice", "target": target, "beam_size": size, "from": "p", "initial_output": 0,
                       "length_normalization": False},
            "end": {"class": "compare", "from": "output", "value": 0},
            "e": {"class": "linear", "activation": None, "from": "output", "n_out": 3, "initial_output": 0},
            "s": {"class": "rnn_cell", "unit": "LSTMBlock", "from": state, "n_out": 4},
            "p": {"class": "softmax", "from": "s", "target": target, "is_output_layer": True},
        }  # fmt: skip

    attention = {
        "energy": {"class": "combine", "kind": "add", "from": ["base:h", "q"]},
        "q": {"class": "linear", "activation": None, "from": "prev:s", "n_out": 3},
        "w": {"class": "softmax_over_spatial", "from": "one"},
        "one": {"class": "linear", "activation": None, "from": "energy", "n_out": 1},
        "a": {"class": "generic_attention", "weights": "w", "base": "base:h"},
    }
    net = {
        "first": {**both, "target": "y1", "unit": loop("y1", 7, ["prev:e"])},
        "h": {"class": "linear", "activation": "tanh", "n_out": 3, "from": "first/p"},
        "output": {**both, "target": "y2", "unit": loop("y2", 49, ["prev:e", "a"]) | attention},
    }
    net["first"]["unit"]["s"]["from"] = ["prev:e", "base:x"]
    net["x"] = {"class": "reduce", "mode": "mean", "axis": "T", "from": "data"}
    sparse = {"dim": labels, "sparse": True}
    model = tn.network(net, {"data": {"dim": 2}, "y1": sparse, "y2": sparse})
    rng = np.random.RandomState(3)
    one = rng.normal(size=(2, 4, 2)).astype("float32")
    found = [(0,), *((a, b) for a in (1, 2) for b in range(labels))]
    pairs = list(itertools.product(found, found))
    batch = {"data": (np.repeat(one, len(pairs), axis=0), np.full(2 * len(pairs), 4))}
    for i, name in enumerate(("y1", "y2")):
        rows = [p[i] for p in pairs] * 2
        batch[name] = (np.array([[*r, 0][:longest] for r in rows]), np.array([len(r) for r in rows]))
    params, state = model.init(jax.random.key(0), batch, train=False)
    params = jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape) * 2, p.dtype), params)
    result, _ = model.apply(params, state, None, batch, train=False, layers=["first/p", "output/p"])
    total = np.zeros(2 * len(pairs))
    for layer, name in (("first/p", "y1"), ("output/p", "y2")):
        p = np.log(np.asarray(result.outputs[layer].batch_first().data))
        y, n = batch[name]
        total += sum(np.where(t < n, p[np.arange(len(y)), t, y[:, t]], 0.0) for t in range(longest))
    two = {name: (x[:: len(pairs)], n[:: len(pairs)]) for name, (x, n) in batch.items()}
    searched, _ = model.apply(params, state, None, two, train=False, search=True)
    best = np.asarray(searched.scores["output"].data).max(axis=0)
    np.testing.assert_allclose(best, total.reshape(2, -1).max(axis=1), rtol=1e-4)
