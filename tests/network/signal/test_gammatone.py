"""Gammatone filters, looked at in frequency."""

import numpy as np
import pytest
from scipy import signal

from tenure import TenureError
from tenure.network.signal import gammatone_filters
from tests.network.initial_weights import weights

GAMMATONE = {
    "class": "GammatoneFilterbankInitializer",
    "num_channels": 3,
    "length": 0.02,
    "sample_rate": 8000,
    "freq_max": 3500.0,
    "freq_min": 100.0,
}


def test_gammatone_filters_of_a_convolution():
    w = weights(GAMMATONE, (1, 3), **{"class": "conv", "filter_size": (160,), "padding": "valid"})
    assert w.shape == (160, 1, 3)
    for channel, frequency in enumerate((100, 799, 3500)):
        at, response = signal.freqz(w[:, 0, channel], worN=512, fs=8000)
        assert np.isclose(abs(response).max(), 1, rtol=1e-4)
        assert abs(at[abs(response).argmax()] - frequency) < 50
    plain = gammatone_filters(3, 0.02, 8000, 100.0, 3500.0, normalised=False)
    ratio = w[:, 0] / plain
    assert np.allclose(ratio, ratio[-1], rtol=1e-3)
    with pytest.raises(TenureError, match="gammatone"):
        weights(GAMMATONE, (1, 4), **{"class": "conv", "filter_size": (160,), "padding": "valid"})
