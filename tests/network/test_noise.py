"""Noise on parameters: one sample for all users."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tests.network.loops import DATA, LENGTHS
from tests.network.reused import FRAMES, X, built, linear


def shared(owner, moved=True):
    """A layer in a loop and one outside with one matrix, each applied to the same frames; noise on it."""
    outside = {"class": "linear", "n_out": 4, "activation": None, "with_bias": False, "from": "data"}
    inside = {**outside, "from": "data:source"}
    noisy, share = {"param_variational_noise": 0.5}, {"outside": {"W": "outside/W"}, "inside": {"W": "loop/output/W"}}
    if owner == "outside":
        outside, inside = outside | noisy, inside | {"share": share[owner]}
    else:
        inside, outside = inside | noisy, outside | {"reuse_params": {"map": {"W": {"reuse_layer": "loop/output"}}}}
    loop = {"class": "rec", "from": "data", "unit": {"output": inside}, "optimize_move_layers_out": moved}
    return {"outside": outside | {"is_output_layer": True}, "loop": loop, "output": {"class": "copy", "from": "loop"}}


@pytest.mark.parametrize("moved", [True, False])
@pytest.mark.parametrize("owner", ["outside", "inside"])
def test_a_matrix_across_the_loops_border_is_one_array_with_one_sample_of_noise(batch, owner, moved):
    net = tn.network(shared(owner, moved), DATA)
    params, state = net.init(jax.random.key(0), {"data": batch["data"]})
    assert sum(x.size for x in jax.tree.leaves(params)) == 16

    def outputs(params, train):
        result, _ = net.apply(params, state, jax.random.key(1), {"data": batch["data"]}, train=train, losses=False)
        return [result.outputs[k].batch_first().data for k in ("outside", "output")]

    keep = (np.arange(6) < LENGTHS[:, None])[..., None]
    noisy, clean = outputs(params, True), outputs(params, False)
    np.testing.assert_allclose(noisy[0] * keep, noisy[1] * keep, rtol=1e-5)
    assert np.abs((noisy[0] - clean[0]) * keep).max() > 0.1
    grads = [jax.grad(lambda p, w=w: sum(a * jnp.sum(x * keep) for a, x in zip(w, outputs(p, False), strict=True)))(params) for w in ((1, 0), (0, 1), (1, 1))]  # fmt: skip
    one, two, both = (jax.tree.leaves(g)[0] for g in grads)
    np.testing.assert_allclose(one + two, both, rtol=1e-5)
    np.testing.assert_allclose(one, two, rtol=1e-5)


def test_the_owners_noise_is_the_same_sample_for_all_users():
    layers = {
        "a": linear(n_out=3, with_bias=False, param_variational_noise=0.5),
        "b": linear(n_out=3, with_bias=False, reuse_params="a", is_output_layer=True),
        "output": {"class": "copy", "from": "a"},
    }
    net, params, state = built(layers, FRAMES)
    noisy, _ = net.apply(params, state, jax.random.key(1), X, train=True)
    clean, _ = net.apply(params, state, None, X)
    a, b = noisy.outputs["output"].data, noisy.outputs["b"].data
    np.testing.assert_array_equal(a, b)
    assert float(jnp.max(jnp.abs(a - clean.outputs["output"].data))) > 0.1


def test_in_legacy_each_layer_draws_noise_of_its_own():
    noisy = {"param_variational_noise": 0.5, "with_bias": False, "n_out": 3}
    layers = {
        "a": linear(**noisy),
        "b": linear(**noisy, reuse_params="a", is_output_layer=True),
        "output": {"class": "copy", "from": "a"},
    }
    net, params, state = built(layers, FRAMES, reuse="legacy")
    result, _ = net.apply(params, state, jax.random.key(1), X, train=True)
    assert float(jnp.max(jnp.abs(result.outputs["output"].data - result.outputs["b"].data))) > 0.1
