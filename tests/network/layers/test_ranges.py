"""Running sums and the largest elements."""

import numpy as np

from tests.network.layers.running import X, output, run


def test_running_sums():
    y, _ = output({"class": "cumsum", "axis": "T"})
    assert np.allclose(y, np.cumsum(X, 1), atol=1e-5)
    y, _ = output({"class": "cumsum", "axis": "T", "reverse": True})
    assert np.allclose(y, np.cumsum(X[:, ::-1], 1)[:, ::-1], atol=1e-5)


def test_top_k_gives_places_too():
    net = {
        "x": {"class": "top_k", "axis": "F", "k": 2, "from": "data"},
        "output": {"class": "copy", "from": "x/indices"},
    }
    outputs = run(net)[0].outputs
    assert np.allclose(outputs["x"].data, np.sort(X, -1)[..., :-3:-1])
    assert np.array_equal(outputs["output"].data, np.argsort(-X, -1)[..., :2])
