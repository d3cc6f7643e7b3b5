"""Spectra, and the way back."""

import numpy as np

from tenure.network import Dim, batch_dim, feature_dim
from tests.network.layers.running import LENGTHS, X, run


def test_spectra_and_back():
    signal = np.random.RandomState(3).randn(2, 64, 1).astype("float32")
    net = {
        "x": {"class": "stft", "frame_size": 16, "frame_shift": 4, "from": "data"},
        "output": {"class": "istft", "frame_size": 16, "frame_shift": 4, "from": "x"},
    }
    outputs = run(net, inputs={"data": {"dim": 1}}, batch={"data": (signal, np.array([64, 64]))})[0].outputs
    assert outputs["x"].shape == (2, 13, 9) and str(outputs["x"].dtype) == "complex64"
    assert np.allclose(outputs["output"].data[:, 16:-16], signal[:, 16:-16], atol=1e-4)
    short = run(net, inputs={"data": {"dim": 1}}, batch={"data": (signal[:, :7], np.array([7, 5]))})[0].outputs
    assert short["x"].shape == (2, 0, 9)
    assert not np.any(short["output"].data) and short["output"].shape == (2, 12, 1)  # RETURNN's: 0 * 4 + (16 - 4)


def test_odd_hann_windows_are_symmetric():
    """TensorFlow's periodic window of odd size is the symmetric one: [0, 1, 0] for three samples."""
    signal = {
        "data": {"dims": [batch_dim(), Dim(None, "t"), feature_dim(1)], "time_dim_axis": 1, "feature_dim_axis": 2}
    }
    options = {"class": "multichannel_stft_layer", "frame_shift": 1, "frame_size": 3, "fft_size": 3, "from": "data"}
    batch = {"data": (X[:, :, :1], LENGTHS)}
    result, _ = run({"output": options}, inputs=signal, batch=batch)
    found = np.asarray(result.outputs["output"].data)
    np.testing.assert_allclose(found[0, :, 0], X[0, 1:5, 0], rtol=1e-5)
