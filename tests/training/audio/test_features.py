"""Audio as features: sizes, known values of simple sounds, and what is refused."""

import numpy as np
import pytest

from tenure.training.audio.features import Features
from tenure.training.errors import DataSetError
from tests.training.audio.sounds import RATE, tone


def made(audio=None, **options):
    return Features.from_options(options).make(tone(1000) if audio is None else audio, RATE, 0)


@pytest.mark.parametrize("kind", ["mfcc", "log_mel_filterbank", "log_log_mel_filterbank", "db_mel_filterbank"])
@pytest.mark.parametrize(("delta", "size"), [(False, 7), (True, 14), (2, 21)])
def test_the_size_is_what_it_says(kind, delta, size):
    features = Features.from_options({"features": kind, "num_feature_filters": 7, "with_delta": delta})
    found = features.make(tone(440), RATE, 0)
    assert found.shape == (51, size) and found.dtype == np.float32 and features.dim == size
    assert np.isfinite(found).all()


def test_raw_audio_is_the_samples():
    audio = tone(440)
    found = made(audio, features="raw", peak_normalization=False)
    np.testing.assert_allclose(found[:, 0], audio, atol=1e-7)
    louder = made(0.1 * audio, features="raw")
    np.testing.assert_allclose(np.abs(louder).max(), 1, rtol=1e-6)


def test_a_tone_is_where_its_frequency_is():
    for frequency in (500, 1000, 2000, 3000):
        spectrum = made(tone(frequency), features="linear_spectrogram", num_feature_filters=100).mean(axis=0)
        assert abs((spectrum.argmax() + 1) * (RATE / 2) / 100 - frequency) <= RATE / 200
    low, high = (
        made(tone(f), features="log_mel_filterbank", num_feature_filters=20).mean(axis=0).argmax() for f in (300, 3000)
    )
    assert low < 8 < high


def test_louder_audio_has_more_energy_unless_its_peak_is_normalised():
    audio = tone(700)
    quiet, loud = (
        made(scale * audio, features="db_mel_filterbank", num_feature_filters=8, peak_normalization=False)
        for scale in (0.1, 1.0)
    )
    np.testing.assert_allclose((loud - quiet)[5:-5].max(axis=1), 40, atol=0.5)  # power, in 20 log10: 2 * 20 dB
    same = [made(scale * audio, features="mfcc", num_feature_filters=8) for scale in (0.1, 1.0)]
    np.testing.assert_allclose(same[0], same[1], atol=1e-3)


def test_silence_and_short_audio_are_numbers():
    for audio in (np.zeros(4000), np.zeros(1), tone(440, 0.002)):
        for kind in ("mfcc", "log_mel_filterbank"):
            assert np.isfinite(made(audio, features=kind, num_feature_filters=5)).all()


def test_normalisation(tmp_path):
    plain = made(features="mfcc", num_feature_filters=5)
    found = made(features="mfcc", num_feature_filters=5, norm_mean="per_seq", norm_std_dev="per_seq")
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    np.savetxt(tmp_path / "mean", plain.mean(axis=0))
    np.savetxt(tmp_path / "std", np.full(5, 2.0))
    files = {"norm_mean": str(tmp_path / "mean"), "norm_std_dev": str(tmp_path / "std")}
    np.testing.assert_allclose(
        made(features="mfcc", num_feature_filters=5, **files), (plain - plain.mean(axis=0)) / 2, atol=1e-4
    )
    with pytest.raises(DataSetError, match=r"mean' has \(5,\) numbers for 6 features"):
        made(features="mfcc", num_feature_filters=6, norm_mean=files["norm_mean"])


def test_functions_of_the_config_draw_by_the_sequence():
    def louder(audio, sample_rate, random_state):
        assert sample_rate == RATE
        return audio * random_state.uniform(0.5, 2.0)

    features = Features.from_options({"features": "raw", "pre_process": louder})
    first, again, other = (features.make(tone(440), RATE, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"features": "mfc"}, "(?s)'mfc' are not known.*mfcc"),
        ({"featuers": "mfcc"}, "(?s)audio has no option 'featuers'.*features"),
        ({"sample_rate": 16000}, "8000 samples a second, and sample_rate is 16000"),
        ({"num_channels": 2}, "1 channels, and num_channels is 2"),
        ({"features": "raw", "num_feature_filters": 2}, "raw audio has 1 feature"),
        ({"norm_mean": "nowhere"}, "norm_mean: there is no file 'nowhere'"),
    ],
)
def test_what_cannot_be_is_told(options, says):
    with pytest.raises(DataSetError, match=says):
        made(**options)


def test_frames_are_joined_and_the_last_one_is_repeated():
    plain, joined = made(num_feature_filters=4), made(num_feature_filters=4, join_frames=3)
    assert joined.shape == (-(-len(plain) // 3), 12)
    assert np.array_equal(joined[0], plain[:3].ravel()) and np.array_equal(joined[-1, -4:], plain[-1])
    assert Features("mfcc", num_feature_filters=4, with_delta=1, join_frames=3).dim == 24


def test_the_peak_is_that_of_what_preemphasis_leaves():
    audio = np.array([0.5, 0.5, -0.5, 0.25])
    found = Features("raw", preemphasis=0.5).make(audio, RATE, 0)[:, 0]
    assert found.tolist() == pytest.approx([0.5 / 0.75, 0.25 / 0.75, -1.0, 0.5 / 0.75])


def test_windows_of_more_samples_than_features_are_told():
    with pytest.raises(DataSetError, match="linear_spectrogram"):
        Features("linear_spectrogram", num_feature_filters=10).make(tone(440), RATE, 0)
