"""Networks in the manner of published configs (`behavior_version` 0): they build, learn, and search."""

import jax
import numpy as np

import tenure as tn

SPEECH = {"data": {"dim": 4}, "classes": {"dim": 5, "sparse": True, "available_for_inference": False}}


def test_ctc_over_max_pooled_frames_has_gradients():
    """Windows of padding only are zero, not -inf: softmax and losses over them would make gradients NaN."""
    net = {
        "pool": {"class": "pool", "mode": "max", "padding": "same", "pool_size": (3,), "from": "data"},
        "output": {"class": "softmax", "from": "pool", "loss": "ctc", "target": "classes"},
    }
    rng = np.random.RandomState(0)
    frames, labels = rng.randn(2, 24, 4).astype("float32"), np.array([[1, 2, 3, 4], [1, 2, 0, 0]])
    batch = {"data": (frames, np.array([24, 12])), "classes": (labels, np.array([4, 2]))}
    model = tn.network(net, SPEECH, behavior_version=0)
    params, state = model.init(jax.random.key(0), batch)

    def objective(params, batch):
        return model.apply(params, state, None, batch)[0].objective

    loss, gradients = jax.value_and_grad(objective)(params, batch)
    alone = [
        {"data": (frames[i : i + 1, :n], np.array([n])), "classes": (labels[i : i + 1, :m], np.array([m]))}
        for i, n, m in ((0, 24, 4), (1, 12, 2))
    ]
    found = [jax.value_and_grad(objective)(params, one) for one in alone]
    np.testing.assert_allclose(loss, sum(x for x, _ in found), rtol=1e-5)
    jax.tree.map(lambda x, a, b: np.testing.assert_allclose(x, a + b, atol=1e-5), gradients, *(g for _, g in found))
