"""Gammatone filters: the impulse responses of a model of the inner ear."""

from __future__ import annotations

import numpy as np

# Greenwood 1990 (Journal of the Acoustical Society of America 87): frequency = A (10^(a x) - k), for the human ear.
_A, _SLOPE, _K = 165.4, 2.1, 0.88
# Glasberg and Moore 1990: equivalent rectangular bandwidth.
_BANDWIDTH, _QUALITY = 24.7, 9.264491981582191
_ORDER, _POINTS = 4, 512


def centre_frequencies(count: int, low: float, high: float) -> np.ndarray:
    """Frequencies [count] in Hz from `low` to `high`, at equal distances along the basilar membrane.

    >>> centre_frequencies(3, 100.0, 3500.0).round(1).tolist()
    [100.0, 800.6, 3500.0]
    """
    first, last = (np.log10(frequency / _A + _K) / _SLOPE for frequency in (low, high))
    return _A * (10 ** (_SLOPE * np.linspace(first, last, count)) - _K)


def gammatone_filters(
    count: int, length: float, rate: float, low: float = 100.0, high: float = 7500.0, normalised: bool = True
) -> np.ndarray:
    """Impulse responses [length * rate, count]: `t³ exp(-2π b t) cos(2π f t)`, f a centre frequency, b its bandwidth.

    Source: Schlüter et al., "Gammatone features and feature combination for large vocabulary speech recognition", 2007.

    Args:
      count: how many filters.
      length: of a response, in seconds.
      rate: samples per second.
      low, high: centre frequencies of the first and the last filter, in Hz.
      normalised: whether each filter's largest gain is 1.

    >>> gammatone_filters(3, 0.02, 8000, 100.0, 3500.0).shape
    (160, 3)
    """
    f = centre_frequencies(count, low, high)
    t = np.linspace(1 / rate, length, int(rate * length))[:, None]
    filters = t ** (_ORDER - 1) * np.exp(-2 * np.pi * (f / _QUALITY + _BANDWIDTH) * t) * np.cos(2 * np.pi * f * t)
    if not normalised:
        return filters
    rest = -len(filters) % (2 * _POINTS)  # the response at 512 frequencies up to half the rate
    folded = np.pad(filters, ((0, rest), (0, 0))).reshape(-1, 2 * _POINTS, count).sum(axis=0)
    return filters / np.abs(np.fft.fft(folded, axis=0)[:_POINTS]).max(axis=0)
