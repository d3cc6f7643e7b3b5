"""Sharing in dictionaries: scopes that several layers use, and stages."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.network.reused import FRAMES, X, built, linear


def test_two_layers_of_one_scope_share_what_it_has():
    _, params, _ = built(
        {"a": linear(n_out=3, name_scope="s"), "output": linear(n_out=3, name_scope="s", **{"from": "a"})}, FRAMES
    )
    assert {k: set(v) for k, v in params.items()} == {"s": {"W", "b"}}


def test_stages_in_a_dictionary():
    layers = {"output": linear(n_out=3, with_bias=False, stages={"W": [["noise", {"std": 0.5}]]})}
    net, params, state = built(layers, FRAMES)
    noisy, _ = net.apply(params, state, jax.random.key(1), X, train=True)
    clean, _ = net.apply(params, state, None, X)
    assert float(jnp.max(jnp.abs(noisy.outputs["output"].data - clean.outputs["output"].data))) > 0.1
    np.testing.assert_allclose(clean.outputs["output"].data, X["data"] @ params["output"]["W"], rtol=1e-5)
