"""Features of audio as RETURNN's data sets have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tenure.core.errors import brief, nearest
from tenure.training.audio import spectra
from tenure.training.errors import DataSetError


@dataclass(frozen=True)
class Features:
    """How features are made of audio.

    Attributes:
      features: "mfcc", "log_mel_filterbank", "log_log_mel_filterbank", "db_mel_filterbank", "linear_spectrogram", "raw", or a
        function of (audio, sample_rate, window_len, step_len, num_feature_filters, random_state).
      window_len, step_len: of frames, in seconds.
      num_feature_filters: how many features.
      with_delta: whether differences in time are added; a number is how many orders.
      norm_mean, norm_std_dev: a number, a file with numbers, or "per_seq".
      sample_rate: that the audio must have; None for any.
      peak_normalization: whether audio is scaled to a peak of 1.
      num_channels: of the audio; None for one.
      join_frames: so many frames become one.
      preemphasis: each sample is lessened by so much of the one before.
      pre_process: a function (audio, sample_rate, random_state) -> audio.
      feature_options: further options, such as "fmin".

    >>> Features("log_mel_filterbank", num_feature_filters=4).make(np.sin(np.arange(800.0)), 8000, 0).shape
    (11, 4)
    """

    features: Any = "mfcc"
    window_len: float = 0.025
    step_len: float = 0.010
    num_feature_filters: int | None = None
    with_delta: bool | int = False
    norm_mean: Any = None
    norm_std_dev: Any = None
    sample_rate: int | None = None
    peak_normalization: bool = True
    num_channels: int | None = None
    pre_process: Callable[..., np.ndarray] | None = None
    feature_options: Mapping[str, Any] = field(default_factory=dict)
    preemphasis: float | None = None
    random_permute: Any = None
    join_frames: int | None = None
    post_process: Callable[..., np.ndarray] | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Features:
        """Reads the options "audio" of a data set.

        Raises:
          DataSetError: one of them is not known.
        """
        for key in options:
            if key not in cls.__dataclass_fields__:
                raise DataSetError(f"audio has no option {key!r}", near=nearest(key, cls.__dataclass_fields__))
        made = cls(**options)
        for key in ("window_len", "step_len", "num_feature_filters", "sample_rate", "num_channels", "join_frames"):
            value = getattr(made, key)
            whole = not key.endswith("_len")
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value <= 0
            ):
                raise DataSetError(f"audio: {key} is {brief(value)}, and no {'whole ' if whole else ''}number above 0")
        if made.random_permute:
            raise DataSetError(
                "audio: random_permute is not done here",
                ways=["give a function as 'pre_process' or 'post_process'"],
            )
        return made

    @property
    def count(self) -> int:
        """How many features there are before differences are added."""
        if self.num_feature_filters is not None:
            return self.num_feature_filters
        return 1 if self.features == "raw" else 40

    @property
    def dim(self) -> int:
        """The size of a frame."""
        return self.count * (int(self.with_delta) + 1) * (self.join_frames or 1)

    def make(self, audio: np.ndarray, rate: int, seed: int, name: str = "") -> np.ndarray:
        """The features of a piece of audio.

        Args:
          audio: [samples], or [samples, channels] with `num_channels`.
          rate: samples a second.
          seed: of random numbers that functions of the config draw.
          name: of the audio, for messages.

        Returns:
          [frames, features] float32; raw audio is [samples, 1], or [samples, channels, 1].

        Raises:
          DataSetError: the audio is of another kind than the options say, or an option cannot be used.
        """
        name = f"audio '{name}'" if name else "audio"
        if self.sample_rate is not None and rate != self.sample_rate:
            raise DataSetError(f"{name} has {rate} samples a second, and sample_rate is {self.sample_rate}")
        channels = audio.shape[1] if audio.ndim > 1 else 1
        if channels != (self.num_channels or 1):
            raise DataSetError(
                f"{name} has {channels} channels, and num_channels is {self.num_channels}",
                ways=[f"'num_channels': {channels}"],
            )
        random = np.random.RandomState(seed)
        if self.preemphasis:
            audio = np.concatenate([audio[:1], audio[1:] - self.preemphasis * audio[:-1]])
        if self.peak_normalization:
            peak = np.max(np.abs(audio), initial=0)
            audio = audio / peak if peak else audio
        if self.pre_process is not None:
            audio = self.pre_process(audio=audio, sample_rate=rate, random_state=random)
        return self._finished(self._features(audio, rate, random)).astype(np.float32)

    def _features(self, audio: np.ndarray, rate: int, random: np.random.RandomState) -> np.ndarray:
        if self.features == "raw":
            if self.count != 1:
                raise DataSetError(f"raw audio has 1 feature, and num_feature_filters is {self.count}")
            return audio[..., None]
        if callable(self.features):
            return self.features(
                audio=audio,
                sample_rate=rate,
                window_len=self.window_len,
                step_len=self.step_len,
                num_feature_filters=self.num_feature_filters,
                random_state=random,
                **self.feature_options,
            )
        make = _FEATURES.get(self.features)
        if make is None:
            raise DataSetError(
                f"audio features {brief(self.features)} are not known",
                near=nearest(str(self.features), _FEATURES),
                ways=[", ".join(_FEATURES)],
            )
        n_fft, hop = int(self.window_len * rate), int(self.step_len * rate)
        if n_fft < 2 or hop < 1:
            raise DataSetError(
                f"audio: window_len {self.window_len} and step_len {self.step_len} are seconds, and there are {rate} samples in one"
            )
        return make(audio, rate, n_fft, hop, self.count, **self.feature_options)

    def _finished(self, features: np.ndarray) -> np.ndarray:
        """With differences in time, and normalised."""
        orders = [spectra.delta(features, order) for order in range(1, int(self.with_delta) + 1)]
        features = np.concatenate([features, *orders], axis=1) if orders else features
        if self.norm_mean is not None:
            features = features - _numbers(self.norm_mean, features, np.mean, "norm_mean")
        if self.norm_std_dev is not None:
            features = features / _numbers(self.norm_std_dev, features, np.std, "norm_std_dev")
        features = features if self.join_frames is None else _joined(features, self.join_frames)
        return features if self.post_process is None else self.post_process(features)


def _joined(features: np.ndarray, size: int) -> np.ndarray:
    """So many frames as one, the last frame repeated to fill the last one."""
    rest = -len(features) % size
    full = np.pad(features, [(0, rest), *[(0, 0)] * (features.ndim - 1)], mode="edge")
    return full.reshape(len(full) // size, *features.shape[1:-1], features.shape[-1] * size)


def _numbers(option: Any, features: np.ndarray, measure: Callable[..., np.ndarray], name: str) -> Any:
    if option == "per_seq":
        found = measure(features, axis=0, keepdims=True)
        return np.maximum(found, 1e-2) if name == "norm_std_dev" else found
    if isinstance(option, int | float):
        return option
    if not Path(option).is_file():
        raise DataSetError(f"{name}: there is no file '{option}'")
    found = np.loadtxt(option)
    if found.shape != features.shape[-1:]:
        raise DataSetError(f"{name}: '{option}' has {found.shape} numbers for {features.shape[-1]} features")
    return found


def mfcc(
    audio: np.ndarray,
    rate: int,
    n_fft: int,
    hop: int,
    count: int,
    fmin: float = 0.0,
    fmax: float | None = None,
    n_mels: int = 128,
) -> np.ndarray:
    """Mel cepstra, with the frame's energy in the place of the first one."""
    mel = spectra.power_to_db(spectra.mel_spectrum(audio, rate, n_fft, hop, n_mels, fmin, fmax))
    found = spectra.cosine_transform(mel, count)
    found[:, 0] = spectra.root_mean_square(audio, n_fft, hop)
    return found


def log_mel(
    audio: np.ndarray, rate: int, n_fft: int, hop: int, count: int, fmin: float = 0.0, fmax: float | None = None
) -> np.ndarray:
    """Logarithms of mel energies."""
    return np.log(np.maximum(1e-3, spectra.mel_spectrum(audio, rate, n_fft, hop, count, fmin, fmax)))


def log_log_mel(
    audio: np.ndarray, rate: int, n_fft: int, hop: int, count: int, fmin: float = 0.0, fmax: float | None = None
) -> np.ndarray:
    """Decibels of logarithms of mel energies."""
    values = log_mel(audio, rate, n_fft, hop, count, fmin, fmax)
    return spectra.power_to_db(values**2, 1e-10)


def db_mel(
    audio: np.ndarray,
    rate: int,
    n_fft: int,
    hop: int,
    count: int,
    fmin: float = 0.0,
    fmax: float | None = None,
    min_amp: float = 1e-10,
) -> np.ndarray:
    """Decibels of mel energies, counted as if they were amplitudes."""
    mel = spectra.mel_spectrum(audio, rate, n_fft, hop, count, fmin, fmax)
    return 20 * np.log10(np.maximum(min_amp, mel))


def linear(audio: np.ndarray, rate: int, n_fft: int, hop: int, count: int) -> np.ndarray:
    """Amplitudes of the Fourier transform, without the mean."""
    if n_fft > count * 2:
        raise DataSetError(
            f"linear_spectrogram: {count} features are of {count * 2} samples, and a window has {n_fft}",
            ways=[f"'num_feature_filters': {n_fft // 2 + n_fft % 2}, or more"],
        )
    return np.abs(spectra.stft(audio, count * 2, hop, n_fft))[:, 1:]


_FEATURES = {
    "mfcc": mfcc,
    "log_mel_filterbank": log_mel,
    "log_log_mel_filterbank": log_log_mel,
    "db_mel_filterbank": db_mel,
    "linear_spectrogram": linear,
}
