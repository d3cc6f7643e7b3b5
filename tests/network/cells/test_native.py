"""RETURNN's own LSTMs."""

import jax
import jax.numpy as jnp
import numpy as np

from tenure.network import cells
from tests.network.cells.equations import values


def test_the_low_memory_lstm_is_the_same_with_one_matrix():
    one, two = cells.make("nativelstmlowmem", 3), cells.make("nativelstm2", 3)
    params, x = values(two, 2), jax.random.normal(jax.random.key(1), (4, 2, 2))
    joined = {"W": jnp.concatenate([params["W"], params["W_re"]]), "b": params["b"]}
    assert np.allclose(cells.run(one, joined, x)[0], cells.run(two, params, x)[0], atol=1e-6)
