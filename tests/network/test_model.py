"""A network as a model: it survives pickle and deepcopy."""

import copy

import jax.numpy as jnp

import tenure as tn
from tests.core.copied_models import KEY, copied, same


def test_a_network_is_copied():
    net = tn.network(
        {"output": {"class": "softmax", "n_out": 3, "from": "data", "loss": "ce", "target": "classes"}},
        {"data": {"dim": 4}, "classes": {"dim": 3, "sparse": True}},
    )
    _check_network(net)


def test_a_network_with_dims_is_copied():
    feature, out = tn.network.feature_dim(4, "in"), tn.network.feature_dim(3, "out")
    net = tn.network(
        {
            "output": {
                "class": "softmax",
                "out_dim": out,
                "in_dim": feature,
                "from": "data",
                "loss": "ce",
                "target": "classes",
            }
        },
        {
            "data": {"dims": [tn.network.batch_dim(), tn.network.spatial_dim("time"), feature]},
            "classes": {"dim": 3, "sparse": True},
        },
    )
    _check_network(net)


def _check_network(net):
    batch = {"data": jnp.ones((2, 5, 4)), "classes": jnp.zeros((2, 5), int)}
    made = net.init(KEY, batch)
    for other in (copied(net), copy.deepcopy(net)):
        assert same(other.init(KEY, batch), made)
        assert other.plan(batch).ledger == net.plan(batch).ledger
