"""Losses of a search's hypotheses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tests.network.searches import DATA, LENGTHS, X, decoder


def test_the_risk_of_hypotheses_is_differentiated():
    net = decoder({"beam_size": 3})
    net["extra.search:output"] = dict(net["output"])
    opts = {"loss": {"class": "edit_distance"}, "loss_kind": "error"}
    net["risk"] = {"class": "copy", "from": "extra.search:output", "loss": "expected_loss", "loss_opts": opts, "target": "classes"}  # fmt: skip
    batch = {"data": (X, LENGTHS), "classes": (np.array([[1, 2, 0], [2, 0, 0]]), np.array([3, 2]))}
    model = tn.network(net, DATA)
    params, state = jax.jit(model.init)(jax.random.key(0), batch)

    @jax.jit
    def risk(params):
        return model.apply(params, state, jax.random.key(1), batch, train=True)[0].losses["risk"].loss

    value, grads = jax.value_and_grad(risk)(params)
    assert np.isfinite(value) and all(np.all(np.isfinite(g)) for g in jax.tree.leaves(grads))
    assert float(jnp.abs(grads["output/rec/p"]["W"]).max()) > 0


@pytest.mark.slow
def test_padding_of_nan_changes_no_gradient_of_the_risk_of_hypotheses():
    net = decoder({"beam_size": 3}, rec={"max_seq_len": "max_len_from('base:enc')"})
    net["extra.search:output"] = dict(net["output"])
    opts = {"loss": {"class": "edit_distance"}, "loss_kind": "error"}
    net["risk"] = {"class": "copy", "from": "extra.search:output", "loss": "expected_loss", "loss_opts": opts, "target": "classes"}  # fmt: skip
    model, labels = tn.network(net, DATA), (np.array([[1, 2, 0], [2, 0, 0]]), np.array([3, 2]))
    keep = np.arange(4)[None, :, None] < LENGTHS[:, None, None]
    params, state = model.init(jax.random.key(0), {"data": (X, LENGTHS), "classes": labels})

    @jax.jit
    @jax.value_and_grad
    def risk(params, x):
        batch = {"data": (x, LENGTHS), "classes": labels}
        return model.apply(params, state, jax.random.key(1), batch, train=True)[0].objective

    (a, da), (b, db) = risk(params, X), risk(params, np.where(keep, X, np.nan).astype("float32"))
    np.testing.assert_allclose(a, b, rtol=1e-6)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7), da, db)
