"""Spectra, and the way back."""

import numpy as np

from tests.network.layers.running import run


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
