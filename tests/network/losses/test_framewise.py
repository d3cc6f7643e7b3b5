"""Losses that are sums over frames, as layers have them."""

import jax
import numpy as np
import pytest


def test_generic_cross_entropy_of_a_softmax_has_its_own_gradient():
    from tests.network.layers.running import BATCH, KEEP, LABELS, data, run

    net = {"output": {"class": "softmax", "n_out": 4, "from": "data", "loss": "generic_ce"}}
    result, params = run(net)
    probs = np.asarray(result.outputs["output"].batch_first().data)
    picked = np.take_along_axis(probs, LABELS[..., None], -1)[..., 0]
    assert float(result.losses["output"].loss) == pytest.approx(-np.log(picked)[KEEP].sum(), rel=1e-5)

    import tenure.network as network

    model = network.Network(net, data())
    grads = jax.grad(lambda p: model.apply(p, {}, None, BATCH)[0].loss)(params)
    by_logits = (1 - 4 * probs) * (probs - np.eye(4)[LABELS])
    assert np.allclose(grads["output"]["b"], by_logits[KEEP].sum(0), atol=1e-4)
