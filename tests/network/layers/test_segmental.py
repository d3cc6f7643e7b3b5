"""Scores of segments, by their formulas."""

import numpy as np

from tests.network.layers.running import X, output, run


def test_scores_of_segments():
    more = {"p": {"class": "activation", "activation": "sigmoid", "from": "data"}}
    y, _ = output({"class": "normalize_length_scores", "from": "p"}, more=more)
    assert np.allclose(y, (1 / (1 + np.exp(-X))) ** np.arange(1, 7)[:, None], atol=1e-6)
    more = {
        "a": {"class": "linear", "from": "data", "n_out": 6, "activation": None},
        "e": {"class": "eval", "from": "data", "eval": "tf.abs(source(0)) + 0.1"},
        "d": {"class": "reduce", "mode": "max", "axis": "F", "keep_dims": True, "from": "e"},
    }
    net = {**more, "x": {"class": "apply_length_distribution", "from": ["a", "d"], "length_model_scale": 0.5}}
    result, _ = run(net)
    a, x = (np.asarray(result.outputs[k].batch_first().data) for k in "ax")
    assert np.allclose(x, a * np.sqrt((np.abs(X) + 0.1).max(-1))[:, None, :], atol=1e-5)
