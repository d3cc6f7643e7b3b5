"""Networks of linear layers that reuse parameters."""

import jax
import numpy as np

import tenure as tn

FRAMES = {"data": {"dim": 3}}
X = {"data": np.random.RandomState(0).randn(2, 5, 3).astype("float32")}


def linear(**more):
    return {"class": "linear", "activation": None, "from": "data", **more}


def built(net, data, **options):
    made = tn.network(net, data, **options)
    params, state = made.init(jax.random.key(0))
    return made, params, state
