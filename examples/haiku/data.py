"""What the programs learn from: data that installed packages ship."""

from __future__ import annotations

import functools
import pydoc_data.topics
from collections.abc import Iterator
from typing import Any

import numpy as np


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits [1797, 8, 8, 1] in [0, 1], and their labels [1797]."""
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    return (found.images[..., None] / 16).astype(np.float32), found.target.astype(np.int32)


def digit_batches(size: int, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of digits, for ever."""
    images, labels = digits()
    rng = np.random.default_rng(seed)
    while True:
        chosen = rng.integers(0, len(images), size)
        yield images[chosen], labels[chosen]


@functools.cache
def text() -> np.ndarray:
    """English text as bytes: Python's own reference."""
    topics = pydoc_data.topics.topics
    return np.frombuffer("\n".join(topics[name] for name in sorted(topics)).encode(), np.uint8).astype(np.int32)


def text_batches(size: int, length: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Batches of pieces [size, length + 1] of the text, for ever."""
    data = text()
    rng = np.random.default_rng(seed)
    while True:
        starts = rng.integers(0, len(data) - length - 1, size)
        yield data[starts[:, None] + np.arange(length + 1)]
