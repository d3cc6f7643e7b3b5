"""Sound files to Whisper's features: the logarithm of 80 mel bands, 100 times a second."""

from __future__ import annotations

import functools
import wave
from pathlib import Path

import numpy as np

RATE, WINDOW, HOP, BANDS, FRAMES = 16000, 400, 160, 80, 3000


def read(path: str | Path) -> np.ndarray:
    """A .wav of 16 bits as float32 [samples] at 16 kHz: channels are averaged, other rates resampled in the frequency domain."""
    with wave.open(str(path)) as file:
        raw = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        rate = file.getframerate()
    sound = raw.mean(1) / 32768
    return resampled(sound, rate).astype(np.float32)


def resampled(sound: np.ndarray, rate: int) -> np.ndarray:
    """The sound at 16 kHz."""
    if rate == RATE or not len(sound):
        return sound
    count = round(len(sound) * RATE / rate)
    spectrum = np.fft.rfft(sound)[: count // 2 + 1]
    padded = np.zeros(count // 2 + 1, complex)
    padded[: len(spectrum)] = spectrum
    return np.fft.irfft(padded, count) * (count / len(sound))


def features(sound: np.ndarray) -> np.ndarray:
    """Features [80, frames] of a sound at 16 kHz: https://arxiv.org/abs/2212.04356, section 2.2."""
    padded = np.pad(np.pad(sound, (0, HOP)), WINDOW // 2, mode="reflect")
    count = 1 + (len(padded) - WINDOW) // HOP
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: count - 1]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1])) ** 2
    logs = np.log10(np.maximum(filters() @ power.T, 1e-10))
    scaled: np.ndarray = ((np.maximum(logs, logs.max() - 8) + 4) / 4).astype(np.float32)
    return scaled


@functools.cache
def filters() -> np.ndarray:
    """Triangles of equal area on the mel scale of Slaney's Auditory Toolbox (1998). [80, 201]."""
    edges = _hertz(np.linspace(0, _mel(RATE / 2), BANDS + 2))
    bins = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    widths = np.diff(edges)
    up = (bins - edges[:-2, None]) / widths[:-1, None]
    down = (edges[2:, None] - bins) / widths[1:, None]
    found: np.ndarray = np.maximum(0, np.minimum(up, down)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return found


def _mel(hertz: float) -> float:
    return 15 + 27 * np.log(hertz / 1000) / np.log(6.4) if hertz >= 1000 else 3 * hertz / 200


def _hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, 200 * mel / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def window(whole: np.ndarray, at: int, count: int) -> np.ndarray:
    """`count` frames from `at` on, filled up with zeros to the 30 seconds that the model takes: [1, 3000, 80]."""
    part = whole[:, at : at + count].T
    return np.pad(part, ((0, FRAMES - len(part)), (0, 0)))[None]
