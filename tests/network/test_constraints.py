"""Terms of the objective that depend on parameters alone."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.network.objectives import LINEAR, objective, squares
from tests.network.reused import FRAMES, X, built, linear


@pytest.mark.parametrize(("reuse", "scale"), [("owner_final", 0.2), ("legacy", 0.5)])
def test_decay_of_a_sub_network_is_that_of_its_layers_unless_they_say_another(reuse, scale):
    inside = {"h": {**LINEAR, "L2": 0.2}, "k": {**LINEAR, "from": "h"}, "output": {"class": "copy", "from": "k"}}
    net = {"output": {"class": "subnetwork", "from": "data", "subnetwork": inside, "L2": 0.3}}
    result, params = objective(net, reuse)
    wanted = scale * squares(params, "output/h") + 0.3 * squares(params, "output/k")
    assert np.allclose(result.constraints, wanted, rtol=1e-5)


def test_decay_of_a_borrower_is_that_of_the_owner_counted_once():
    net, params, state = built(
        {
            "a": linear(n_out=3, with_bias=False),
            "output": linear(n_out=3, with_bias=False, reuse_params="a", L2=0.5, **{"from": "a"}),
        },
        FRAMES,
    )
    result, _ = net.apply(params, state, None, X, train=True)
    np.testing.assert_allclose(result.constraints, 0.5 * jnp.sum(params["a"]["W"] ** 2), rtol=1e-5)


def test_decay_on_both_counts_once():
    net, params, state = built(
        {
            "a": linear(n_out=3, with_bias=False, L2=0.5),
            "output": linear(n_out=3, with_bias=False, reuse_params="a", L2=0.5, **{"from": "a"}),
        },
        FRAMES,
    )
    result, _ = net.apply(params, state, None, X, train=True)
    np.testing.assert_allclose(result.constraints, 0.5 * jnp.sum(params["a"]["W"] ** 2), rtol=1e-5)
