"""RETURNN's own initial values."""

import jax
import numpy as np
import pytest
from scipy import signal

import tenure.network as network
from tenure import TenureError
from tenure.network.signal import gammatone_filters

GAMMATONE = {
    "class": "GammatoneFilterbankInitializer",
    "num_channels": 3,
    "length": 0.02,
    "sample_rate": 8000,
    "freq_max": 3500.0,
    "freq_min": 100.0,
}


def weights(init, shape=(4, 50), **more):
    """The initial weights of a linear layer, or of the convolution that `more` describes."""
    options = {"class": "linear", "n_out": shape[-1], "activation": None, **more}
    net = {"output": {"from": "data", "forward_weights_init": init, **options}}
    made = network.Network(net, {"data": {"dim": shape[-2]}}, behavior_version=0)
    return np.asarray(made.init(jax.random.key(0))[0]["output"]["W"])


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


def test_values_away_from_zero():
    w = abs(
        weights("variance_scaling_non_zero_initializer(mode='fan_avg', distribution='uniform', non_zero_fraction=0.5)")
    )
    limit = np.sqrt(3 / 27)
    assert w.min() >= limit / 2 and w.max() <= limit and w.max() > 0.95 * limit
    assert abs(weights("random_uniform_abs_initializer(0.1)")).max() <= 0.1


def test_values_from_a_file(tmp_path):
    file = tmp_path / "numbers.txt"
    file.write_text("<vector>\n1.5\n2\n3e-1\n-4\n</vector>\n")
    assert np.allclose(weights(f"load_txt_file_initializer({str(file)!r})", (2, 2)), [[1.5, 2], [0.3, -4]])
    with pytest.raises(TenureError, match="4 numbers"):
        weights(f"load_txt_file_initializer({str(file)!r})", (3, 2))
    file.write_text("__import__('os')")
    with pytest.raises(TenureError, match="numbers.txt"):
        weights(f"load_txt_file_initializer({str(file)!r})", (2, 2))
