"""A network whose output is what a config's function gives."""

import jax
import numpy as np

import tenure.network as network
from tests.network.layers.running import BATCH, data

CALL = "self.network.get_config().typed_value('f')(source(0, as_data=True), network=self.network)"


def outputs(function, *, net=None, train=False, step=None, compiled=True):
    """The outputs of a network whose output is what the function gives."""
    layers = {**(net or {}), "output": {"class": "eval", "eval": CALL, "from": "data"}}
    made = network.Network(layers, data(), behavior_version=0, config={"f": function})
    params, state = made.init(jax.random.key(0), BATCH)

    def forward(params, step):
        return made.apply(params, state, jax.random.key(1), BATCH, train=train, step=step)[0].outputs["output"].data

    return np.asarray((jax.jit(forward) if compiled else forward)(params, step))
