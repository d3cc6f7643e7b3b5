"""Over what a loop goes, and for how long."""

import jax
import numpy as np

import tenure as tn
from tests.network.loops import DATA, DECODER, LENGTHS, RNN


def test_a_loop_over_no_frames():
    net = tn.network(RNN, DATA)
    given = {"data": (np.zeros((2, 0, 4), "float32"), np.zeros(2, int)), "classes": (np.zeros((2, 0), int), np.zeros(2, int))}  # fmt: skip
    params, state = net.init(jax.random.key(0))
    result, _ = net.apply(params, state, None, given)
    assert result.outputs["output"].shape[result.outputs["output"].time_axis] == 0 and result.loss == 0


def test_a_loop_that_goes_backward(batch):
    x, _ = batch["data"]
    flipped = x.copy()
    for b, n in enumerate(LENGTHS):
        flipped[b, :n] = x[b, :n][::-1]
    net, back = RNN, {**RNN, "rec": {**RNN["rec"], "direction": -1}}
    params, state = tn.network(net, DATA).init(jax.random.key(0), batch)
    outs = []
    for of, data in ((net, flipped), (back, x)):
        result, _ = tn.network(of, DATA).apply(params, state, None, {**batch, "data": (data, LENGTHS)}, layers=["rec"])
        outs.append(np.asarray(result.outputs["rec"].batch_first().data))
    for b, n in enumerate(LENGTHS):
        np.testing.assert_allclose(outs[0][b, :n][::-1], outs[1][b, :n], rtol=1e-5)


def test_the_step_at_which_a_sequence_ends_counts_if_that_is_asked_for(batch):
    lengths = []
    for eos in (False, True):
        net = tn.network({"output": {**DECODER["output"], "include_eos": eos}}, {"classes": DATA["classes"]})
        params, state = net.init(jax.random.key(0), {"classes": batch["classes"]})
        params["output/rec/p"]["W"] = params["output/rec/p"]["W"] * 20.0
        result, _ = net.apply(params, state, None, {"classes": batch["classes"]}, losses=False, search=True)
        lengths.append(next(iter(result.outputs["output"].lengths.values())).data.ravel()[0])
    assert lengths[1] == min(lengths[0] + 1, 8)


def test_size_target_says_how_many_steps_there_are_whatever_the_target():
    unit = {"output": {"class": "linear", "n_out": 3, "activation": "tanh", "from": "prev:output"}}
    known = {"data": {"dim": 4}, "other": {"dim": 5, "sparse": True}, "classes": {"dim": 5, "sparse": True}}
    batch = {"data": (np.zeros((2, 7, 4), "float32"), np.array([7, 5]))}
    batch |= {key: (np.zeros((2, n), int), np.array([n, 2])) for key, n in (("other", 6), ("classes", 3))}

    def steps(**options):
        net = {"output": {"class": "rec", "from": [], "unit": unit, **options}}
        model = tn.network(net, known)
        params, state = model.init(jax.random.key(0), batch)
        return model.apply(params, state, None, batch, train=False)[0].outputs["output"].shape[0]

    assert steps(target="other") == 6
    assert steps(size_target="classes") == steps(target="other", size_target="classes") == 3


def test_a_layer_that_limits_the_steps_is_there_in_training_too(batch):
    """RETURNN builds it, and its parameters are in the checkpoint, although the labels say how many steps there are."""
    net = {
        "enc": {"class": "linear", "n_out": 3, "from": "data"},
        "output": {**DECODER["output"], "max_seq_len": "max_len_from('base:enc') * 2"},
    }
    params, _ = tn.network(net, DATA).init(jax.random.key(0), batch, train=True)
    assert params["enc"]["W"].shape == (4, 3)


def test_legacy_loops_of_layers_go_forward(batch):
    net, back = RNN, {**RNN, "rec": {**RNN["rec"], "direction": -1}}
    params, state = tn.network(net, DATA).init(jax.random.key(0), batch)
    forward, found = (tn.network(of, DATA, reuse="legacy").apply(params, state, None, batch)[0] for of in (net, back))
    np.testing.assert_allclose(found.loss, forward.loss, rtol=1e-6)
