"""The LSTM over two axes, against its equations written as two loops."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.running import KEEP, LENGTHS, X, run

EMBED = {"embed": {"class": "linear", "n_out": 3, "activation": None, "from": "data:classes"}}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(x, y, p):
    """Outputs [T, S, n] of one sequence, cell by cell."""
    n = p["Vh_re"].shape[0]
    c, h = np.zeros((len(y) + 1, len(x) + 1, n)), np.zeros((len(y) + 1, len(x) + 1, n))
    for t in range(len(y)):
        for s in range(len(x)):
            z = np.concatenate([x[s], y[t]]) @ p["W_re"] + h[t + 1, s] @ p["Vh_re"] + h[t, s + 1] @ p["Vv_re"]
            i, f, share, o = (sigmoid(z[k * n : (k + 1) * n]) for k in range(4))
            above, left = c[t, s + 1], c[t + 1, s]
            c[t + 1, s + 1] = i * np.tanh(z[4 * n :]) + f * share * above + f * (1 - share) * left
            h[t + 1, s + 1] = o * np.tanh(c[t + 1, s + 1])
    return h[1:, 1:]


def pooled(kind, h, y, p):
    if kind == "max":
        return h.max(1)
    if kind == "average":
        return h.mean(1)
    if kind == "last":
        return h[:, -1]
    e = np.exp(np.einsum("tf,fn,tsn->ts", y, p["W_att"], h))
    return np.einsum("ts,tsn->tn", e / e.sum(1, keepdims=True), h)


@pytest.mark.parametrize("kind", ["last", "max", "average", "weighted"])
def test_whole_sequences(kind):
    net = {**EMBED, "output": {"class": "twod_lstm", "pooling": kind, "n_out": 4, "from": ["data", "embed"]}}
    result, params = run(net, layers=("embed", "output"))
    p = params["output/rec-twod"]
    embed, found = (np.asarray(result.outputs[k].batch_first().data) for k in ("embed", "output"))
    for b, n in enumerate(LENGTHS):
        if kind in ("max", "weighted") and n < 6:
            continue  # these see the zeros behind the end of a source, as RETURNN's do
        wanted = pooled(kind, reference(X[b, :n], embed[b], p), embed[b], p)
        assert np.allclose(found[b], wanted, atol=1e-5)


def test_step_by_step():
    lstm = {"class": "twod_lstm", "pooling": "last", "n_out": 4, "from": ["base:data", "data:source"]}
    whole = {"class": "twod_lstm", "pooling": "last", "n_out": 4, "from": ["data", "embed"], "is_output_layer": True}
    net = {
        **EMBED,
        "rec": {"class": "rec", "from": "embed", "unit": {"x": lstm, "output": {"class": "copy", "from": "x"}}},
        "whole": {**whole, "reuse_params": "rec/x"},
        "output": {"class": "copy", "from": "rec"},
    }
    result, params = run(net)
    assert set(params) == {"embed", "rec/rec/x/rec-twod"}
    steps, whole = (np.asarray(result.outputs[k].batch_first().data) for k in ("output", "whole"))
    assert np.allclose(steps[KEEP], whole[KEEP], atol=1e-6)


def test_other_ways_of_pooling():
    with pytest.raises(TenureError, match="'pooling'.*'sum'"):
        run({**EMBED, "output": {"class": "twod_lstm", "pooling": "sum", "n_out": 4, "from": ["data", "embed"]}})
