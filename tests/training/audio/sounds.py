"""Tones."""

import numpy as np

RATE = 8000


def tone(frequency, seconds=0.5):
    return np.sin(2 * np.pi * frequency * np.arange(int(RATE * seconds)) / RATE)
