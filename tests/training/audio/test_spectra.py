import numpy as np
import pytest

from tenure.training.audio import spectra

RATE = 8000
TONE = np.sin(2 * np.pi * 1000 * np.arange(RATE // 4) / RATE)


def test_a_tone_is_strongest_at_its_frequency():
    found = np.abs(spectra.stft(TONE, n_fft=256, hop=64))
    assert found.shape == (1 + len(TONE) // 64, 129)
    np.testing.assert_array_equal(found[3:-3].argmax(1), 1000 * 256 // RATE)


def test_a_narrower_window_lies_in_the_middle_of_the_transform():
    impulse = np.zeros(256)
    impulse[128] = 1.0  # the middle of the third frame
    np.testing.assert_allclose(np.abs(spectra.stft(impulse, 128, 64, window_length=32))[2], 1.0)
    impulse[128], impulse[128 + 20] = 0.0, 1.0
    np.testing.assert_allclose(np.abs(spectra.stft(impulse, 128, 64, window_length=32))[2], 0.0)


def test_audio_shorter_than_a_transform():
    assert spectra.stft(np.ones(10), 16, 4).shape == (3, 9)
    assert spectra.stft(np.zeros(0), 17, 4).shape == (0, 9)


def test_mel_scale():
    assert spectra.hertz_to_mel(1000) == 15
    hertz = np.array([0.0, 300.0, 1000.0, 3000.0, 8000.0])
    np.testing.assert_allclose(spectra.mel_to_hertz(spectra.hertz_to_mel(hertz)), hertz)


def test_mel_filters_have_equal_areas():
    filters = spectra.mel_filters(RATE, 4096, 10)
    assert filters.shape == (10, 2049) and filters.dtype == np.float32
    np.testing.assert_allclose(filters.sum(1) * RATE / 4096, 1.0, rtol=1e-2)


def test_decibels():
    np.testing.assert_allclose(spectra.power_to_db(np.array([1.0, 0.1, 1e-12])), [0, -10, -80])
    np.testing.assert_allclose(spectra.power_to_db(np.array([1.0, 1e-12]), range_db=None), [0, -100])


def test_cosine_transform_is_orthonormal():
    basis = spectra.cosine_transform(np.eye(6), 6)
    np.testing.assert_allclose(basis.T @ basis, np.eye(6), atol=1e-12)


def test_root_mean_square():
    np.testing.assert_allclose(spectra.root_mean_square(TONE, 256, 64)[3:-3], np.sqrt(0.5), rtol=1e-3)


def test_delta_of_a_line_is_its_slope():
    frames = np.arange(12.0)
    np.testing.assert_allclose(spectra.delta(np.stack([3 * frames, 0 * frames + 7], 1)), [[3, 0]] * 12, atol=1e-12)
    np.testing.assert_allclose(spectra.delta(frames[:, None] ** 2, order=2), 2, atol=1e-9)


def test_delta_of_too_few_frames():
    with pytest.raises(ValueError, match="at least 9 frames, and there are 8"):
        spectra.delta(np.zeros((8, 2)))
