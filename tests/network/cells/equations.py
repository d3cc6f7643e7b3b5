"""The equations of recurrent cells in numpy, and parameters for them."""

import jax.numpy as jnp
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def standard(p, x, s, name="lstm_cell"):
    z = np.concatenate([x, s["h"]], -1) @ p[f"{name}/kernel"] + p[f"{name}/bias"]
    i, g, f, o = np.split(z, 4, axis=-1)
    c = sigmoid(f + 1) * s["c"] + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, {"c": c, "h": h}


def values(cell, inputs, seed=0):
    rng = np.random.RandomState(seed)
    return {k: jnp.asarray(rng.uniform(-1, 1, s.shape), jnp.float32) for k, s in cell.params(inputs).items()}
