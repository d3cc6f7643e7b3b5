"""Convolution and pooling over sequences, each as if it were alone."""

import numpy as np
import pytest

from tests.network.layers.running import LENGTHS, X, lengths, run


def by_hand(x, w, stride, same):
    if same:
        x = np.pad(x, (((len(w) - 1) // 2, len(w) // 2), (0, 0)))
    places = range(0, len(x) - len(w) + 1, stride)
    return (
        np.stack([np.einsum("kf,kfn->n", x[t : t + len(w)], w) for t in places])
        if places
        else np.zeros((0, w.shape[-1]))
    )


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_sequence_has_what_it_has_alone(padding, stride):
    options = {
        "class": "conv",
        "filter_size": (3,),
        "n_out": 4,
        "padding": padding,
        "strides": stride,
        "activation": None,
    }
    result, params = run({"output": {**options, "with_bias": False, "from": "data"}})
    w = np.asarray(params["output"]["W"])
    tensor = result.outputs["output"].batch_first()
    for b, n in enumerate(LENGTHS):
        if padding == "same" and stride == 2:
            continue  # where the first window starts depends on the length, as in TensorFlow
        expected = by_hand(X[b, :n], w, stride, padding == "same")
        assert lengths(tensor, 1)[b] == len(expected)
        np.testing.assert_allclose(tensor.data[b, : len(expected)], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("mode", "function"), [("max", np.max), ("avg", np.mean)])
def test_pooling(mode, function):
    result, _ = run({"output": {"class": "pool", "mode": mode, "pool_size": (2,), "padding": "valid", "from": "data"}})
    tensor = result.outputs["output"].batch_first()
    for b, n in enumerate(LENGTHS):
        windows = X[b, : n // 2 * 2].reshape(n // 2, 2, 5)
        np.testing.assert_allclose(tensor.data[b, : n // 2], function(windows, axis=1), rtol=1e-5, atol=1e-6)
    assert lengths(tensor, 1).tolist() == (LENGTHS // 2).tolist()
