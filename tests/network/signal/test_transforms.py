"""Fourier and cosine transforms, and mel filters, next to scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import scipy.signal

from tenure.network.signal.transforms import dct, inverse_stft, mel_filters, stft, taper

X = np.asarray(jax.random.normal(jax.random.key(0), (2, 40)))


def test_windows_of_a_signal():
    found = stft(jnp.asarray(X), 8, 4, 16)
    window = scipy.signal.get_window("hann", 8)
    expected = [np.fft.rfft(X[:, t : t + 8] * window, 16) for t in range(0, 33, 4)]
    np.testing.assert_allclose(found, np.stack(expected, 1), atol=1e-4)
    assert stft(jnp.asarray(X), 8, 4, 16, pad_end=True).shape == (2, 10, 9)


def test_the_inverse_leads_back_where_windows_overlap():
    back = inverse_stft(stft(jnp.asarray(X), 8, 4, 8), 8, 4, 8)
    np.testing.assert_allclose(back[:, 4:-4], X[:, 4:-4], atol=1e-4)


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
@pytest.mark.parametrize("norm", [None, "ortho"])
def test_cosine_transforms(kind, norm):
    if kind == 1 and norm:
        with pytest.raises(ValueError, match="normalisation"):
            dct(jnp.asarray(X), kind, norm)
        return
    np.testing.assert_allclose(dct(jnp.asarray(X), kind, norm), scipy.fft.dct(X, kind, norm=norm), atol=1e-3)


def test_filters_are_triangles_over_mel():
    filters = mel_filters(100, 4000, 8000, 256, 10)
    peaks = filters.argmax(0)
    assert filters.shape == (129, 10) and (np.diff(peaks) > 0).all() and (filters >= 0).all() and filters.max() <= 1
    assert np.diff(peaks)[-1] > np.diff(peaks)[0]  # wider above


def test_window_functions():
    np.testing.assert_allclose(taper("blackman", 5), np.blackman(5), atol=1e-6)
    assert taper(None, 3).tolist() == [1, 1, 1] and taper("hanning", 1).tolist() == [1]
    with pytest.raises(ValueError, match="no window function 'hamming'"):
        taper("hamming", 3)
