"""The objective of a network on a small batch, and what decays in it."""

import jax
import numpy as np

import tenure.network as network
from tests.network.layers.running import BATCH, data

LINEAR = {"class": "linear", "n_out": 5, "from": "data", "activation": "tanh"}


def squares(params, path):
    return sum(float((np.asarray(v) ** 2).sum()) for v in params[path].values())


def objective(net, reuse="owner_final"):
    model = network.Network(net, data(), reuse=reuse)
    params, state = model.init(jax.random.key(0), BATCH)
    result, _ = model.apply(params, state, None, BATCH, layers=("*",), train=True)
    return result, params
