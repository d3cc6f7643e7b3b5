"""Short-time Fourier transform and its inverse, cosine transforms, mel filters."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np


def taper(kind: str | None, size: int) -> np.ndarray:
    """A window function of `size` samples: "hanning" (periodic; symmetric if odd, as TensorFlow's), "blackman", "ones".

    Raises:
      ValueError: another kind.

    >>> taper("hanning", 4)
    array([0. , 0.5, 1. , 0.5], dtype=float32)
    """
    at = np.arange(size)
    if kind == "hanning":
        period = size - size % 2 if size > 1 else 1
        return (0.5 - 0.5 * np.cos(2 * np.pi * at / period)).astype(np.float32) if size > 1 else np.ones(1, np.float32)
    if kind == "blackman":
        return np.blackman(size).astype(np.float32)
    if kind in ("ones", "None", None):
        return np.ones(size, np.float32)
    raise ValueError(f"there is no window function {kind!r}; there are 'hanning', 'blackman' and 'ones'")


def stft(
    x: jax.Array, size: int, step: int, fft: int, window: str | None = "hanning", pad_end: bool = False
) -> jax.Array:
    """The spectra [..., frames, fft // 2 + 1] of windows of a signal [..., T].

    Args:
      x: the signal.
      size: of a window.
      step: from one window to the next.
      fft: the number of points of the transform; windows are filled up with zeros.
      window: a window function.
      pad_end: whether the last windows may go beyond the end, where zeros are.

    >>> stft(jnp.ones(10), 4, 2, 4).shape
    (4, 3)
    """
    n = x.shape[-1]
    count = -(-n // step) if pad_end else jax.core.max_dim(1 + (n - size) // step, 0)
    if pad_end:
        end = jnp.zeros((*x.shape[:-1], jax.core.max_dim((count - 1) * step + size - n, 0)), x.dtype)
        x = jnp.concatenate([x, end], axis=-1)
    places = jnp.arange(count)[:, None] * step + jnp.arange(size)
    return jnp.fft.rfft(x[..., places] * taper(window, size), fft)


def inverse_stft(y: jax.Array, size: int, step: int, fft: int) -> jax.Array:
    """The signal [..., T] of spectra [..., frames, fft // 2 + 1], T = size + (frames - 1) step.

    Windows are weighted so that what `stft` with a Hann window gives leads back to the signal: Griffin & Lim 1984.
    """
    window = taper("hanning", size)
    power = np.zeros(-(-size // step) * step, np.float32)
    power[:size] = window**2
    power = np.tile(power.reshape(-1, step).sum(0), -(-size // step))[:size]
    weights = np.divide(window, power, out=np.zeros_like(window), where=power > 0)
    frames = jnp.fft.irfft(y, fft)[..., :size] * weights
    count = frames.shape[-2]
    places = jnp.arange(count)[:, None] * step + jnp.arange(size)
    total = jnp.zeros((*frames.shape[:-2], jax.core.max_dim(size + (count - 1) * step, 0)), frames.dtype)
    return total.at[..., places].add(frames)


def dct(x: jax.Array, kind: int = 2, norm: str | None = None) -> jax.Array:
    """The discrete cosine transform of type 1 to 4 over the last axis.

    Source: Ahmed et al. 1974, "Discrete cosine transform"; scaled as in scipy.fft.

    >>> dct(jnp.ones(2)).round(3)
    Array([4., 0.], dtype=float32)
    """
    n = x.shape[-1]
    k, i = np.arange(n)[:, None], np.arange(n)[None]
    if kind == 1:
        table = 2 * np.cos(np.pi * k * i / (n - 1))
        table[:, [0, -1]] /= 2
    elif kind == 2:
        table = 2 * np.cos(np.pi * k * (2 * i + 1) / (2 * n))
    elif kind == 3:
        table = 2 * np.cos(np.pi * i * (2 * k + 1) / (2 * n))
        table[:, 0] /= 2
    elif kind == 4:
        table = 2 * np.cos(np.pi * (2 * i + 1) * (2 * k + 1) / (4 * n))
    else:
        raise ValueError(f"there is no cosine transform of type {kind!r}; there are 1 to 4")
    return x @ jnp.asarray((table * _scale(kind, n, norm)).T, x.dtype)


def _scale(kind: int, n: int, norm: str | None) -> np.ndarray | float:
    if norm is None:
        return 1.0
    if norm != "ortho" or kind == 1:
        raise ValueError(f"the normalisation {norm!r} is not known for type {kind}")
    root = math.sqrt(1 / (2 * n))
    if kind == 4:
        return root
    first = np.full((n, 1) if kind == 2 else (1, n), root)
    first.flat[0] = math.sqrt(1 / (4 * n)) if kind == 2 else math.sqrt(1 / n)
    return first


def mel_filters(low: float, high: float, rate: float, fft: int, count: int) -> np.ndarray:
    """Triangular filters [fft // 2 + 1, count], evenly spaced in mel.

    Source: Huang, Acero & Hon 2001, "Spoken language processing", equation 6.141.

    >>> mel_filters(0, 8000, 16000, 8, 2).shape
    (5, 2)
    """

    def mel(frequency: float) -> float:
        return 1125.0 * math.log(1 + frequency / 700)

    steps = mel(low) + np.arange(count + 2) * ((mel(high) - mel(low)) / (count + 1))
    centres = ((fft / rate) * 700.0 * (np.exp(steps / 1125) - 1)).astype(np.float32)
    bins = np.arange(fft // 2 + 1)[:, None]
    left, middle, right = centres[:-2], centres[1:-1], centres[2:]
    up, down = (bins - left) / (middle - left), (right - bins) / (right - middle)
    inside = (bins > left) & (bins < right)
    return np.where(inside, np.where(bins < middle, up, down), 0).astype(np.float32)
