"""Attention of one vector for each sequence over another layer's frames."""

import numpy as np
import pytest

from tests.network.layers.running import LENGTHS, X, run

QUERY = {"q": {"class": "reduce", "mode": "sum", "axis": "T", "from": "data"}}


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


@pytest.mark.parametrize("factor", [None, 0.5])
def test_dot_attention(factor):
    options = {"class": "dot_attention", "base": "data", "base_ctx": "data", "energy_factor": factor, "from": "q"}
    result, _ = run({**QUERY, "output": options})
    found = np.asarray(result.outputs["output"].batch_first().data)
    for b, n in enumerate(LENGTHS):
        own = X[b, :n]
        np.testing.assert_allclose(found[b], softmax(own @ own.sum(0) * (factor or 1)) @ own, rtol=1e-4, atol=1e-5)


def test_concat_attention():
    options = {"class": "concat_attention", "base": "data", "base_ctx": "data", "from": "q"}
    result, params = run({**QUERY, "output": options})
    v = np.asarray(params["output"]["v"])
    found = np.asarray(result.outputs["output"].batch_first().data)
    for b, n in enumerate(LENGTHS):
        own = X[b, :n]
        np.testing.assert_allclose(found[b], softmax(np.tanh(own + own.sum(0)) @ v) @ own, rtol=1e-4, atol=1e-5)
