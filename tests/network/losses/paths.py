"""Paths of frames, and what they say."""

import numpy as np


def spoken(path, blank, label_loop):
    """What a path of frames says."""
    runs = [a for i, a in enumerate(path) if not (label_loop and i and path[i - 1] == a)]
    return [a for a in runs if a != blank]


def make(seed, batch=3, t=4, n=3):
    rng = np.random.RandomState(seed)
    log_probs = np.log(rng.dirichlet(np.ones(n), size=(batch, t))).astype("float32")
    return log_probs, np.array([4, 3, 2]), rng.randint(0, n - 1, (batch, 3)), np.array([2, 3, 0])
