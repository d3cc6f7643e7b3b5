"""Searches: against all sequences of a small vocabulary, against one written by hand, and over padding and programs."""

import itertools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tests.network.searches import DATA, GOLD, LABELS, LENGTHS, STEPS, UNITS, X, decoder, search, weights


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


def test_a_search_does_not_continue_another_one_that_it_reads_nothing_of():
    net = decoder({"beam_size": 3})
    net["again"] = {**net["output"], "name_scope": "output/rec", "is_output_layer": True}
    found = search(net, layers=["output", "again"])
    np.testing.assert_array_equal(found.outputs["output"].data, found.outputs["again"].data)
    np.testing.assert_allclose(found.scores["output"].data, found.scores["again"].data, rtol=1e-6)


def test_losses_of_steps_are_of_training_and_no_search_computes_them():
    called = []

    def distance(source, **_):
        called.append(source(0))
        return source(0)

    loss = {"class": "eval", "from": "p", "eval": distance, "loss": "as_is"}
    part = {"output": {"class": "copy", "from": "data"}, "loss": {**loss, "from": "data"}}
    net, plain = decoder({"from": "part"}), decoder()
    net["output"]["unit"] |= {"distance": loss, "part": {"class": "subnetwork", "from": "p", "subnetwork": part}}
    net["decision"]["loss"] = "edit_distance"
    params, state = weights(plain)
    model = tn.network(net, DATA)
    trained = model.apply(params, state, None, GOLD, train=True)[0]
    assert called and "output/distance" in trained.losses
    called.clear()
    found = model.apply(params, state, None, GOLD, search=True)[0]
    assert not called and set(found.losses) == {"decision"}
    np.testing.assert_array_equal(found.outputs["decision"].data, search(plain).outputs["decision"].data)


def test_inside_of_a_loop_every_layer_is_there_whatever_the_network_is_built_for():
    kept = {"class": "linear", "n_out": 2, "from": "p", "is_output_layer": True}
    ways = {"searched": {"only_on_search": True}, "compared": {"only_on_eval": True}}
    net = decoder(**{name: kept | way for name, way in ways.items()})
    net |= {name: kept | way | {"from": "enc"} for name, way in ways.items()}
    model, inside = tn.network(net, DATA), {"output/rec/searched", "output/rec/compared"}
    for flags, outside in ((dict(train=True), "compared"), (dict(train=False, losses=False, search=True), "searched")):
        built = set(model.init(jax.random.key(0), GOLD, **flags)[0])
        assert built >= inside | {outside} and built.isdisjoint({*ways} - {outside})
