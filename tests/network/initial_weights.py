"""The initial weights of one layer."""

import jax
import numpy as np

import tenure.network as network


def weights(init, shape=(4, 50), **more):
    """The initial weights of a linear layer, or of the convolution that `more` describes."""
    options = {"class": "linear", "n_out": shape[-1], "activation": None, **more}
    net = {"output": {"from": "data", "forward_weights_init": init, **options}}
    made = network.Network(net, {"data": {"dim": shape[-2]}}, behavior_version=0)
    return np.asarray(made.init(jax.random.key(0))[0]["output"]["W"])
