"""Searches: against all sequences of a small vocabulary, against one written by hand, and over padding, programs and steps."""

import itertools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn

LABELS, STEPS, UNITS = 3, 3, 4
DATA = {"data": {"dim": 5}, "classes": {"dim": LABELS, "sparse": True, "available_for_inference": False}}
LENGTHS = np.array([4, 2])
X = np.random.RandomState(1).randn(2, 4, 5).astype("float32")


def decoder(choice=None, rec=None, probability="softmax", **more):
    """An LSTM over its own labels that attends to the input."""
    unit = {
        "embed": {"class": "linear", "n_out": 4, "activation": None, "from": "prev:output"},
        "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": UNITS, "from": ["prev:embed_", "prev:att"]},
        "embed_": {"class": "linear", "n_out": 4, "activation": None, "from": "output"},
        "query": {"class": "linear", "n_out": 5, "with_bias": False, "from": "s"},
        "energy": {"class": "dot", "red1": "F", "red2": "F", "var1": "T", "var2": None, "from": ["base:enc", "query"]},
        "weights": {"class": "softmax_over_spatial", "axis": "T", "from": "energy"},
        "att": {"class": "generic_attention", "weights": "weights", "base": "base:enc"},
        "p": {"class": "linear", "activation": probability, "n_out": LABELS, "from": ["s", "att"]},
        "output": {"class": "choice", "target": "classes", "beam_size": 4, "from": "p", "initial_output": 0, **(choice or {})},
        "end": {"class": "compare", "kind": "equal", "value": 0, "from": "output"},
        **more,
    }  # fmt: skip
    del unit["embed"]
    loop = {"class": "rec", "from": [], "target": "classes", "max_seq_len": STEPS, "unit": unit, **(rec or {})}
    enc = {"class": "linear", "n_out": 5, "activation": "tanh", "from": "data"}
    return {"enc": enc, "output": loop, "decision": {"class": "decide", "from": "output", "is_output_layer": True}}


def weights(net):
    """Parameters with which labels are far from equally probable."""
    params, state = tn.network(net, DATA).init(jax.random.key(3), {"data": (X, LENGTHS)}, train=False, losses=False, search=True)  # fmt: skip
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.RandomState(7)
    return jax.tree.unflatten(tree, [jnp.asarray(rng.randn(*x.shape) * 1.3, x.dtype) for x in leaves]), state


def search(net, layers=None):
    model = tn.network(net, DATA)
    params, state = weights(net)
    result, _ = model.apply(params, state, None, {"data": (X, LENGTHS)}, losses=False, search=True, layers=layers)
    return result


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Model:
    """The decoder of one sequence, step by step, in NumPy."""

    def __init__(self, params, x):
        self.p = jax.tree.map(np.asarray, params)
        self.enc = np.tanh(x @ self.p["enc"]["W"] + self.p["enc"]["b"])

    def start(self):
        return np.zeros(UNITS), np.zeros(UNITS), np.zeros(5), None

    def step(self, state):
        c, h, att, label = state
        rec = {k.rpartition("/")[2]: v for k, v in self.p.items()}
        cell = next(v for k, v in self.p.items() if "lstm_cell" in k)
        embed = np.zeros(4) if label is None else rec["embed_"]["W"][label] + rec["embed_"]["b"]
        i, j, f, o = np.split(np.concatenate([embed, att, h]) @ cell["kernel"] + cell["bias"], 4)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j)
        h = sigmoid(o) * np.tanh(c)
        energy = self.enc @ (h @ rec["query"]["W"])
        w = np.exp(energy - energy.max())
        att = (w / w.sum()) @ self.enc
        logits = np.concatenate([h, att]) @ rec["p"]["W"] + rec["p"]["b"]
        return (c, h, att), logits - np.log(np.sum(np.exp(logits - logits.max()))) - logits.max()


def every_sequence(model, exponent, scale):
    """All label sequences with their final scores, best first: those that end, and those that the last step cuts."""
    found = []
    for n in range(1, STEPS + 1):
        for labels in itertools.product(range(LABELS), repeat=n):
            ended = labels[-1] == 0
            if 0 in labels[:-1] or (not ended and n < STEPS):
                continue
            state, total = model.start(), 0.0
            for label in labels:
                new, scores = model.step(state)
                total += scale * scores[label]
                state = (*new, label)
            found.append((total * (STEPS / n) ** exponent, labels))
    return sorted(found, reverse=True)


OPTIONS = [
    ({}, 1.0, 1.0, "softmax"),
    ({"length_normalization": False, "prob_scale": 0.5}, 0.0, 0.5, "softmax"),
    ({"length_normalization_exponent": 0.5, "input_type": "log_prob"}, 0.5, 1.0, "log_softmax"),
    ({"input_type": "logits", "prob_scale": 2.0}, 1.0, 2.0, None),
]


@pytest.mark.parametrize(("options", "exponent", "scale", "activation"), OPTIONS)
def test_a_wide_beam_finds_what_all_sequences_say(options, exponent, scale, activation):
    net = decoder({"beam_size": 15, **options}, probability=activation)
    result = search(net)
    params, _ = weights(net)
    out, norm = result.outputs["output"], 1.0 if exponent == 0 else STEPS
    lengths = next(iter(out.lengths.values())).data
    for b in range(2):
        wanted = every_sequence(Model(params, X[b, : LENGTHS[b]]), exponent, scale)
        assert len(wanted) == 15
        longest = max(int(n) for n in lengths.ravel()) + 1 if exponent else 1
        np.testing.assert_allclose(result.scores["output"].data[:, b] * longest, [s for s, _ in wanted], rtol=2e-3)
        for k, (_, labels) in enumerate(wanted):
            found = tuple(np.asarray(out.data)[: len(labels), k, b])
            assert found == labels and lengths[k, b] == len(labels) - (labels[-1] == 0)
        best = wanted[0][1]
        assert tuple(np.asarray(result.outputs["decision"].data)[b, : len(best)]) == best
    assert norm


def by_hand(model, size, keep):
    """Beam search over one sequence."""
    beam, done = [(0.0, (), model.start(), False)], []
    for t in range(STEPS):
        grown = []
        for place, (score, labels, state, ended) in enumerate(beam):
            if ended:
                grown.append([(score * (t + 1) / t, place, 0, labels, state, True)])
                continue
            new, scores = model.step(state)
            grown.append([(score + s, place, k, (*labels, k), (*new, k), k == 0) for k, s in enumerate(scores)])
        if keep and t:
            chosen = [max(of, key=lambda c: c[0]) for of in grown]
        else:
            chosen = sorted((c for of in grown for c in of), key=lambda c: (-c[0], c[1], c[2]))[:size]
        beam = [(score, labels, state, ended) for score, _, _, labels, state, ended in chosen]
    return beam, done


@pytest.mark.parametrize("keep", [False, True])
def test_a_narrow_beam_is_as_by_hand(keep):
    net = decoder({"beam_size": 2, "keep_beams": keep})
    params, _ = weights(net)
    out = search(net).outputs["output"]
    for b in range(2):
        beam, _ = by_hand(Model(params, X[b, : LENGTHS[b]]), 2, keep)
        for k, (_, labels, _, _) in enumerate(beam):
            assert tuple(np.asarray(out.data)[: len(labels), k, b]) == labels


def test_padding_changes_nothing_and_a_program_gives_the_same():
    net = decoder()
    model, (params, state) = tn.network(net, DATA), weights(net)
    poisoned = np.where(np.arange(4)[None, :, None] < LENGTHS[:, None, None], X, np.nan).astype("float32")

    @jax.jit
    def run(params, x):
        result, _ = model.apply(params, state, None, {"data": (x, LENGTHS)}, losses=False, search=True)
        return result.outputs["decision"].data, result.outputs["output"].data, result.scores["output"].data

    eager = search(net)
    clean, dirty = run(params, X), run(params, poisoned)
    for a, b in zip(clean, dirty, strict=True):
        np.testing.assert_array_equal(a, b)
    n = eager.outputs["output"].shape[0]
    np.testing.assert_array_equal(clean[1][:n], eager.outputs["output"].data)
    np.testing.assert_allclose(clean[2], eager.scores["output"].data, rtol=1e-5)


def test_a_search_for_the_best_stops_when_no_other_can_become_it():
    net = decoder({"length_normalization": False}, rec={"max_seq_len": "max_len_from('base:enc') * 100"})
    whole, best = search(net), search(net, layers=["decision"])
    assert best.outputs["decision"].shape[1] < 100
    n = best.outputs["decision"].shape[1]
    np.testing.assert_array_equal(best.outputs["decision"].data, whole.outputs["decision"].data[:, :n])
    for a, b in zip(best.outputs["decision"].lengths.values(), whole.outputs["decision"].lengths.values(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


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


def test_the_risk_of_hypotheses_is_differentiated():
    net = decoder({"beam_size": 3})
    net["extra.search:output"] = dict(net["output"])
    opts = {"loss": {"class": "edit_distance"}, "loss_kind": "error"}
    net["risk"] = {"class": "copy", "from": "extra.search:output", "loss": "expected_loss", "loss_opts": opts, "target": "classes"}  # fmt: skip
    batch = {"data": (X, LENGTHS), "classes": (np.array([[1, 2, 0], [2, 0, 0]]), np.array([3, 2]))}
    model = tn.network(net, DATA)
    params, state = jax.jit(model.init)(jax.random.key(0), batch)

    @jax.jit
    def risk(params):
        return model.apply(params, state, jax.random.key(1), batch, train=True)[0].losses["risk"].loss

    value, grads = jax.value_and_grad(risk)(params)
    assert np.isfinite(value) and all(np.all(np.isfinite(g)) for g in jax.tree.leaves(grads))
    assert float(jnp.abs(grads["output/rec/p"]["W"]).max()) > 0


GOLD = {"data": (X, LENGTHS), "classes": (np.array([[1, 2, 0], [2, 0, 0]]), np.array([3, 2]))}


def with_gold(net):
    model = tn.network(net, DATA, check=False)
    params, state = model.init(jax.random.key(0), GOLD, train=False, losses=False, search=True)
    return model.apply(params, state, None, GOLD, losses=False, search=True)[0]


def test_cheating_keeps_the_target_as_the_last_hypothesis():
    out = with_gold(decoder({"cheating": "exclusive"})).outputs["output"]
    np.testing.assert_array_equal(np.asarray(out.data)[:, -1].T, GOLD["classes"][0])


def test_hypotheses_that_are_kept_stay_as_they_are_in_each_step():
    """The labels of each step before it is known which of them the final hypotheses go back to."""
    net = decoder({"beam_size": 4}, kept={"class": "decide_keep_beam", "from": "output", "is_output_layer": True})
    net["kept"] = {"class": "copy", "from": "output/kept", "is_output_layer": True}
    result = search(net, layers=["*"])
    final = np.asarray(result.outputs["output"].data)
    kept = np.moveaxis(np.asarray(result.outputs["kept"].data), 0, 1)
    assert np.array_equal(final[-1], kept[-1]) and not np.array_equal(final[0], kept[0])
    assert all(set(final[t, :, b]) <= set(kept[t, :, b]) for t in range(len(final)) for b in range(2))


def test_a_search_that_cheats_is_as_long_as_the_labels():
    """It reads one of them in each step, and does not end before they do."""
    net = decoder({"beam_size": 3, "cheating": True}, rec={"max_seq_len": 50})
    params, state = weights(decoder({"beam_size": 3}))
    labels = np.array([[2, 0, 1, 1, 2], [1, 2, 0, 0, 0]])
    batch = {"data": (X, LENGTHS), "classes": (labels, np.array([5, 3]))}
    model = tn.network(net, DATA)
    y = model.apply(params, state, None, batch, losses=False, search=True)[0].outputs["output"]
    assert y.shape == (5, 3, 2) and np.asarray(y.data)[:3, -1].tolist() == labels[:, :3].T.tolist()
    with pytest.raises(tn.TenureError, match="reads labels in the search"):
        search(net)


def test_labels_of_two_inputs_are_chosen_together():
    p2 = {"class": "softmax", "n_out": LABELS, "from": "s", "target": None}
    e2 = {"class": "linear", "n_out": 3, "from": "prev:output/out_1"}
    options = {"from": ["p", "p2"], "target": ["classes", "classes"], "beam_size": 5}
    net = decoder(options, p2=p2, e2=e2)
    net["output"]["unit"]["p"]["from"] = ["s", "att", "e2"]
    result = with_gold(net)
    assert np.all(np.diff(np.asarray(result.scores["output"].data), axis=0) <= 1e-6)


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


READ_BACK = """
import pathlib, sys
import jax, numpy as np
folder = pathlib.Path(sys.argv[1])
with np.load(folder / "inputs.npz") as given:
    search = jax.export.deserialize((folder / "search").read_bytes())
    labels, scores = search.call(given["x"], given["lengths"])
np.savez(folder / "outputs.npz", labels=labels, scores=scores)
assert "tenure" not in sys.modules
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", [3, "max_len_from('base:enc') * 2 + 1", "max_len_from('base:enc') - 2"])
def test_a_search_for_any_batch_and_length_is_read_by_another_process(limit, tmp_path):
    net = decoder(rec={"max_seq_len": limit})
    model, (params, state) = tn.network(net, DATA), weights(net)

    def run(x, lengths):
        result, _ = model.apply(params, state, None, {"data": (x, lengths)}, losses=False, search=True)
        return result.outputs["decision"].data, result.scores["output"].data

    b, t = jax.export.symbolic_shape("b, t")
    shapes = jax.ShapeDtypeStruct((b, t, 5), jnp.float32), jax.ShapeDtypeStruct((b,), jnp.int32)
    (tmp_path / "search").write_bytes(jax.export.export(jax.jit(run))(*shapes).serialize())
    for batch, time in ((3, 6), (1, 3)):
        rng = np.random.RandomState(batch)
        x, lengths = rng.randn(batch, time, 5).astype("float32"), rng.randint(1, time + 1, batch).astype("int32")
        np.savez(tmp_path / "inputs.npz", x=x, lengths=lengths)
        subprocess.run([sys.executable, "-c", READ_BACK, str(tmp_path)], check=True)
        with np.load(tmp_path / "outputs.npz") as found:
            labels, scores = jax.jit(run)(x, lengths)
            np.testing.assert_array_equal(found["labels"], labels)
            np.testing.assert_allclose(found["scores"], scores, rtol=1e-5)


def test_a_fraction_of_a_symbolic_size_is_refused_with_a_way_out():
    net = decoder(rec={"max_seq_len": "max_len_from('base:enc') * 1.5"})
    model, (params, state) = tn.network(net, DATA), weights(net)
    b, t = jax.export.symbolic_shape("b, t")
    shapes = jax.ShapeDtypeStruct((b, t, 5), jnp.float32), jax.ShapeDtypeStruct((b,), jnp.int32)
    with pytest.raises(tn.TenureError, match=r"(?s)max_seq_len.*3 // 2"):
        jax.export.export(jax.jit(lambda x, n: model.apply(params, state, None, {"data": (x, n)}, losses=False, search=True)[0].outputs["decision"].data))(*shapes)  # fmt: skip


@pytest.mark.slow
def test_padding_of_nan_changes_no_gradient_of_the_risk_of_hypotheses():
    net = decoder({"beam_size": 3}, rec={"max_seq_len": "max_len_from('base:enc')"})
    net["extra.search:output"] = dict(net["output"])
    opts = {"loss": {"class": "edit_distance"}, "loss_kind": "error"}
    net["risk"] = {"class": "copy", "from": "extra.search:output", "loss": "expected_loss", "loss_opts": opts, "target": "classes"}  # fmt: skip
    model, labels = tn.network(net, DATA), (np.array([[1, 2, 0], [2, 0, 0]]), np.array([3, 2]))
    keep = np.arange(4)[None, :, None] < LENGTHS[:, None, None]
    params, state = model.init(jax.random.key(0), {"data": (X, LENGTHS), "classes": labels})

    @jax.jit
    @jax.value_and_grad
    def risk(params, x):
        batch = {"data": (x, LENGTHS), "classes": labels}
        return model.apply(params, state, jax.random.key(1), batch, train=True)[0].objective

    (a, da), (b, db) = risk(params, X), risk(params, np.where(keep, X, np.nan).astype("float32"))
    np.testing.assert_allclose(a, b, rtol=1e-6)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7), da, db)


def remembering(room, **more):
    """A decoder with self-attention over the labels so far, and with room for so many steps."""
    attention = {"class": "self_attention", "num_heads": 2, "total_key_dim": 4, "n_out": 6, "attention_left_only": True}
    layers = {
        "own": {"class": "linear", "n_out": 4, "activation": None, "from": "prev:output"},
        "self": {**attention, "from": "own"},
        "late": {**attention, "from": "embed_"},  # of the label that this step chose
        "p": {"class": "linear", "activation": "softmax", "n_out": LABELS, "from": ["self", "att", "prev:late"]},
        "query": {"class": "linear", "n_out": 5, "with_bias": False, "from": "self"},
        "s": {"class": "copy", "from": "self"},
        **more,
    }
    return decoder(rec={"max_seq_len": room}, **layers)


RELATIVE = {
    "shift": {"class": "relative_positional_encoding", "from": "own", "n_out": 2, "clipping": 3},
    "self": {
        "class": "self_attention",
        "num_heads": 2,
        "total_key_dim": 4,
        "n_out": 6,
        "attention_left_only": True,
        "key_shift": "shift",
        "from": "own",
    },
}


@pytest.mark.parametrize("more", [{}, RELATIVE], ids=["plain", "relative positions"])
def test_keys_that_follow_their_hypotheses_in_blocks(monkeypatch, more):
    net = remembering(60, **more)
    found = []
    for many in (10**9, 1):
        monkeypatch.setattr("tenure.network.layers.attention_steps.MANY", many)
        result = search(net)
        found.append((result.outputs["output"].data, result.scores["output"].data))
    (a, scores), (b, others) = found
    assert a.shape == b.shape and a.shape[0] > 17, a.shape  # several blocks
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(scores, others, rtol=1e-4)
