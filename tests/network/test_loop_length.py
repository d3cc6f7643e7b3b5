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
