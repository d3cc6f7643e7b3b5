"""`choice` with its options in pairs, next to a search written by hand; a wide beam prunes nothing, so it is brute force."""

import jax
import numpy as np
import pytest

import tenure as tn
from tests.network.layers import choices_by_hand as hand
from tests.network.loops import DATA, DECODER
from tests.network.searches import DATA as INPUTS
from tests.network.searches import GOLD, LABELS, LENGTHS, X, decoder, search, weights, with_gold

PAIRS = list(hand.pairs(0))


def check(o):
    result, params = hand.by_network(o)
    beams, divisor = hand.by_hand(o, params)
    out = result.outputs["output"]
    lengths = next(iter(out.lengths.values())).data
    scores = np.asarray(result.scores["output"].data) * divisor
    for b, beam in enumerate(beams):
        for k, h in enumerate(beam):
            wanted = h.score
            if wanted < -1e29:
                assert scores[k, b] < -1e28, (b, k)
                continue
            np.testing.assert_allclose(scores[k, b], wanted, rtol=2e-3, atol=2e-4, err_msg=f"{b, k}")
            assert tuple(np.asarray(out.data)[: len(h.labels), k, b].tolist()) == h.labels, (b, k)
            if hand.open_ended(o):
                assert lengths[k, b] == h.length, (b, k)


@pytest.mark.parametrize("number", range(3))
def test_options_of_a_choice(number):
    check(PAIRS[number])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3, len(PAIRS)))
def test_options_of_a_choice_in_pairs(number):
    check(PAIRS[number])


def test_a_choice_is_the_target_in_training(batch):
    net = tn.network(DECODER, {"classes": DATA["classes"]})
    given = {"classes": batch["classes"]}
    params, state = net.init(jax.random.key(0), given)
    result, _ = net.apply(params, state, None, given, train=True)
    labels = result.outputs["output"]
    found, (wanted, lengths) = np.asarray(labels.batch_first().data), batch["classes"]
    keep = np.arange(wanted.shape[1]) < np.asarray(lengths)[:, None]
    np.testing.assert_array_equal(found[keep], np.asarray(wanted)[keep])
    assert "output/p" in result.losses


def test_a_choice_is_searched_greedily(batch):
    net = tn.network(DECODER, {"classes": DATA["classes"]})
    given = {"classes": batch["classes"]}
    params, state = net.init(jax.random.key(0), given)
    params["output/rec/p"]["W"] = params["output/rec/p"]["W"] * 20.0
    result, _ = net.apply(params, state, None, given, losses=False, search=True)
    found = result.outputs["output"]
    labels = greedy(params, steps=8)
    ends = [i for i, label in enumerate(labels) if label == 0]
    assert found.beam_dim is not None and found.shape[1:] == (1, 3)
    steps = min(8, found.shape[0])
    np.testing.assert_array_equal(found.data[:steps, 0, 0], labels[:steps])
    (lengths,) = found.lengths.values()
    assert lengths.data.ravel().tolist() == [ends[0] if ends else 8] * 3


def greedy(params, steps):
    """The decoder's labels, one step after the other."""
    embed, p, cell = params["output/rec/embed"], params["output/rec/p"], params["output/rec/s/rec"]
    label, c, h, found = 0, np.zeros(5), np.zeros(5), []
    for _ in range(steps):
        c, h = lstm(cell, embed["W"][label] + embed["b"], c, h)
        label = int(np.argmax(h @ p["W"] + p["b"]))
        found.append(label)
    return found


def lstm(cell, x, c, h):
    """One step of RETURNN's LSTM: cell input, then input, forget and output gate."""
    j, i, f, o = np.split(x @ cell["W"] + h @ cell["W_re"] + cell["b"], 4)

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    c = sigmoid(f) * c + sigmoid(i) * np.tanh(j)
    return c, sigmoid(o) * np.tanh(c)


def test_cheating_keeps_the_target_as_the_last_hypothesis():
    out = with_gold(decoder({"cheating": "exclusive"})).outputs["output"]
    np.testing.assert_array_equal(np.asarray(out.data)[:, -1].T, GOLD["classes"][0])


def test_labels_of_two_inputs_are_chosen_together():
    p2 = {"class": "softmax", "n_out": LABELS, "from": "s", "target": None}
    e2 = {"class": "linear", "n_out": 3, "from": "prev:output/out_1"}
    options = {"from": ["p", "p2"], "target": ["classes", "classes"], "beam_size": 5}
    net = decoder(options, p2=p2, e2=e2)
    net["output"]["unit"]["p"]["from"] = ["s", "att", "e2"]
    result = with_gold(net)
    assert np.all(np.diff(np.asarray(result.scores["output"].data), axis=0) <= 1e-6)


def test_a_search_that_cheats_is_as_long_as_the_labels():
    """It reads one of them in each step, and does not end before they do."""
    net = decoder({"beam_size": 3, "cheating": True}, rec={"max_seq_len": 50})
    params, state = weights(decoder({"beam_size": 3}))
    labels = np.array([[2, 0, 1, 1, 2], [1, 2, 0, 0, 0]])
    batch = {"data": (X, LENGTHS), "classes": (labels, np.array([5, 3]))}
    model = tn.network(net, INPUTS)
    y = model.apply(params, state, None, batch, losses=False, search=True)[0].outputs["output"]
    assert y.shape == (5, 3, 2) and np.asarray(y.data)[:3, -1].tolist() == labels[:, :3].T.tolist()
    with pytest.raises(tn.TenureError, match="reads labels in the search"):
        search(net)


def test_options_of_scheduled_sampling_that_there_are_not():
    net = decoder({"scheduled_sampling": {"gold_mixing_prob": 0.5}})
    with pytest.raises(tn.TenureError, match=r"(?s)scheduled_sampling.*'gold_mixin_prob'"):
        tn.network(net, INPUTS)


def test_a_beam_of_one_with_gumbel_noise_draws_from_the_distribution():
    """Its score is that of the draw, with the noise, as in RETURNN; without scale, it is the plain search."""
    rows = 4000
    scores = jax.nn.log_softmax(np.array([1.0, 0.0, -1.0, 0.5], np.float32))
    unit = {
        "p": {"class": "eval", "from": "data:source", "eval": "source(0)"},
        "output": {"class": "choice", "target": None, "beam_size": 1, "from": "p", "input_type": "log_prob"},
    }

    def drawn(scale):
        unit["output"]["random_sample_scale"] = scale
        net = {"output": {"class": "rec", "from": "data", "unit": unit}}
        model = tn.network(net, {"data": {"dim": 4}}, check=False)
        batch = {"data": (np.tile(scores, (rows, 1, 1)), np.ones(rows, "int32"))}
        params, state = model.init(jax.random.key(0), batch, losses=False, search=True, train=False)
        result = model.apply(params, state, jax.random.key(1), batch, losses=False, search=True)[0]
        return np.asarray(result.outputs["output"].data).ravel(), np.asarray(result.scores["output"].data).ravel()

    labels, noisy = drawn(1.0)
    np.testing.assert_allclose(np.bincount(labels, minlength=4) / rows, np.exp(scores), atol=0.03)
    # the largest of values with Gumbel noise is Gumbel distributed, around the logarithm of their sum: 0
    assert abs(noisy.mean() * 2 - np.euler_gamma) < 0.08  # of one step and one for the end
    plain, exact = drawn(0.0)
    assert np.all(plain == 0) and np.allclose(exact * 2, scores[0], rtol=1e-5)
