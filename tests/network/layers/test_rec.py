"""A `rec` layer whose gradient computes the steps once more."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn


def gradient(x, **options):
    net = {"output": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data", **options}}
    model = tn.network(net, {"data": {"dim": 2}})
    inputs = {"data": (x, jnp.array([7, 4]))}
    params, state = model.init(jax.random.key(0), inputs)
    params = jax.tree.map(lambda a: a + 0.1, params)

    def loss(params):
        found, _ = model.apply(params, state, None, inputs)
        return jnp.sum(jnp.sin(found.outputs["output"].batch_first().data))

    return jax.jit(jax.grad(loss))(params)


@pytest.mark.parametrize("direction", [1, -1])
def test_rematerialised_gradients(direction):
    x = jax.random.normal(jax.random.key(1), (2, 7, 2))
    once, again = gradient(x, direction=direction), gradient(x, direction=direction, remat=3)
    for one, other in zip(jax.tree.leaves(once), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_wrong_remat_is_named():
    with pytest.raises(tn.TenureError, match="remat"):
        gradient(jnp.ones((2, 7, 2)), remat="yes")
