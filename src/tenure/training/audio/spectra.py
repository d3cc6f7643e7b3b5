"""Spectra: short Fourier transforms, mel filters, cosine transforms and differences in time, with librosa's numbers."""

from __future__ import annotations

import functools

import numpy as np


def stft(audio: np.ndarray, n_fft: int, hop: int, window_length: int | None = None) -> np.ndarray:
    """Short-time Fourier transform with Hann windows around frames that are centred, zeros beyond the ends.

    Args:
      audio: [samples].
      n_fft: samples of a transform.
      hop: samples from a frame to the next.
      window_length: samples of the window, in the middle of a transform; n_fft if None.

    Returns:
      [frames, 1 + n_fft // 2], complex.
    """
    padded = np.pad(audio, n_fft // 2)
    frames = 1 + (len(padded) - n_fft) // hop if len(padded) >= n_fft else 0
    index = np.arange(frames)[:, None] * hop + np.arange(n_fft)
    return np.fft.rfft(padded[index] * _window(n_fft, window_length or n_fft), axis=1)


@functools.cache
def _window(n_fft: int, length: int) -> np.ndarray:
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    left = (n_fft - length) // 2
    return np.pad(window, (left, n_fft - length - left))


def hertz_to_mel(hertz: np.ndarray | float) -> np.ndarray:
    """Slaney's mel scale: linear up to 1000 Hz, logarithmic above."""
    hertz = np.asarray(hertz, np.float64)
    linear = hertz * 3 / 200
    return np.where(hertz < 1000, linear, 15 + np.log(np.maximum(hertz, 1e-9) / 1000) / (np.log(6.4) / 27))


def mel_to_hertz(mel: np.ndarray) -> np.ndarray:
    """The inverse of `hertz_to_mel`."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((np.log(6.4) / 27) * (mel - 15)))


@functools.cache
def mel_filters(rate: int, n_fft: int, count: int, low: float = 0.0, high: float | None = None) -> np.ndarray:
    """Triangular filters of equal area on the mel scale: [filters, 1 + n_fft // 2] float32."""
    bins = np.fft.rfftfreq(n_fft, 1 / rate)
    edges = mel_to_hertz(np.linspace(hertz_to_mel(low), hertz_to_mel(high or rate / 2), count + 2))
    widths, ramps = np.diff(edges), edges[:, None] - bins
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    weights = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return weights.astype(np.float32)


def mel_spectrum(
    audio: np.ndarray,
    rate: int,
    n_fft: int,
    hop: int,
    count: int,
    low: float = 0.0,
    high: float | None = None,
    power: float = 2.0,
) -> np.ndarray:
    """The energy in mel filters: [frames, filters]."""
    return (np.abs(stft(audio, n_fft, hop)) ** power) @ mel_filters(rate, n_fft, count, low, high).T.astype(np.float64)


def power_to_db(power: np.ndarray, least: float = 1e-10, range_db: float | None = 80.0) -> np.ndarray:
    """Decibels of powers, at most `range_db` below the greatest."""
    db = 10 * np.log10(np.maximum(power, least))
    return db if range_db is None else np.maximum(db, db.max(initial=-np.inf) - range_db)


def cosine_transform(values: np.ndarray, count: int) -> np.ndarray:
    """The first coefficients of the orthonormal cosine transform of type 2, over the last axis."""
    size = values.shape[-1]
    basis = np.cos(np.pi / size * (np.arange(size) + 0.5)[:, None] * np.arange(count)) * np.sqrt(2 / size)
    basis[:, 0] /= np.sqrt(2)
    return values @ basis


def root_mean_square(audio: np.ndarray, frame: int, hop: int) -> np.ndarray:
    """The root of the mean square of frames: [frames]."""
    padded = np.pad(audio, frame // 2)
    frames = 1 + (len(padded) - frame) // hop if len(padded) >= frame else 0
    index = np.arange(frames)[:, None] * hop + np.arange(frame)
    return np.sqrt(np.mean(np.abs(padded[index]) ** 2, axis=1))


def delta(values: np.ndarray, order: int = 1, width: int = 9) -> np.ndarray:
    """Derivatives in time of a polynomial through `width` frames (Savitzky and Golay, 1964); at the ends those of the outermost one.

    Args:
      values: [frames, features].
      order: of the derivative and of the polynomial.
    """
    half = width // 2
    if len(values) < width:
        raise ValueError(f"differences need at least {width} frames, and there are {len(values)}")
    powers = np.arange(-half, half + 1)[:, None] ** np.arange(order + 1)
    fit = np.linalg.pinv(powers.astype(np.float64))  # [order + 1, width]: values to coefficients
    factor = float(np.prod(np.arange(1, order + 1)))
    index = np.arange(len(values) - width + 1)[:, None] + np.arange(width)
    inner = np.einsum("w,twf->tf", fit[order] * factor, values[index])
    first, last = inner[:1], inner[-1:]
    return np.concatenate([np.repeat(first, half, 0), inner, np.repeat(last, half, 0)])
