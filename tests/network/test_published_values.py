"""Networks in the manner of published configs, with values: a training step, an evaluation, and a search with their own beams."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tenure as tn
from tests.network.published import NETS

FRAMES, LABELS, SAMPLES = 48, 6, 4000
ALIGNED = ("rnnt", "rnnt_cheat")  # labels that go with the frames
SAME = ("classes", "delayed")  # of networks that label each frame

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def inputs(name, noise=0.0):
    """Two sequences, the second one shorter; what is behind its end is `noise`."""
    net, data, _ = NETS[name]
    rng, batch = np.random.RandomState(0), {}
    loops = any(isinstance(entry.get("unit"), dict) or entry.get("loss") == "ctc" for entry in net.values())
    for key, told in data.items():
        n = FRAMES if key == "data" and not told.get("sparse") else LABELS
        n = SAMPLES if told["dim"] == 1 else n
        if key != "data" and not loops and "data" in data and key in SAME:
            n = FRAMES if not data["data"].get("sparse") else LABELS
        if name in ALIGNED:
            n = FRAMES
        lengths = np.array([n, n * 3 // 4])
        shape = (2, n) if told.get("sparse") else (2, n, told["dim"])
        x = rng.randint(1, told["dim"], shape) if told.get("sparse") else rng.randn(*shape).astype("float32")
        if noise and not told.get("sparse"):
            x[1, lengths[1] :] = noise
        batch[key] = (x, lengths)
    return batch


def model(name):
    net, data, config = NETS[name]
    target = next((key for key in data if key != "data"), "classes")
    return tn.network(net, data, behavior_version=0, config=config, default_target=target, check=False)


@pytest.mark.parametrize("name", sorted(NETS))
def test_a_step_of_training_lowers_the_loss(name):
    net, batch = model(name), inputs(name)
    params, state = net.init(jax.random.key(0), batch, train=True)
    optimizer = optax.adam(1e-3)

    @jax.jit
    def step(params, memory, key):
        def objective(params):
            return net.apply(params, state, key, batch, train=True)[0].objective

        loss, gradients = jax.value_and_grad(objective)(params)
        updates, memory = optimizer.update(gradients, memory, params)
        return loss, gradients, optax.apply_updates(params, updates), memory

    memory, losses = optimizer.init(params), []
    for i in range(8):
        loss, gradients, params, memory = step(params, memory, jax.random.key(i % 2))
        losses.append(float(loss))
        bad = [
            jax.tree_util.keystr(k)
            for k, g in jax.tree_util.tree_leaves_with_path(gradients)
            if not jnp.isfinite(g).all()
        ]
        assert np.isfinite(loss) and not bad, (losses, bad)
    assert min(losses[-2:]) < max(losses[:2]), losses


@pytest.mark.parametrize("name", sorted(NETS))
def test_an_evaluation_is_that_of_the_sequences_whatever_pads_them(name):
    net = model(name)
    params, state = net.init(jax.random.key(0), inputs(name), train=False)
    found = []
    for noise in (0.0, np.nan):
        result, _ = net.apply(params, state, jax.random.key(1), inputs(name, noise))
        found.append({k: [float(v) for v in (x.loss, x.error) if v is not None] for k, x in result.losses.items()})
    assert found[0], "no losses"
    assert all(np.isfinite(x).all() for x in found[0].values()), found[0]
    for k in found[0]:
        np.testing.assert_allclose(found[0][k], found[1][k], rtol=1e-4, err_msg=k)


@pytest.mark.parametrize("name", sorted(NETS))
def test_a_search_finds_labels(name):
    net, network, batch = NETS[name][0], model(name), inputs(name)  # with targets, as the task `search` has them
    params, state = network.init(jax.random.key(0), batch, search=True, losses=False, train=False)

    @jax.jit
    def search(params, batch):
        result, _ = network.apply(params, state, jax.random.key(1), batch, search=True, losses=False)
        return {k: (x.data, {str(d): n.data for d, n in x.lengths.items()}) for k, x in result.outputs.items()}

    outputs = search(params, batch)
    assert outputs
    for key, (x, _) in outputs.items():
        assert jnp.issubdtype(x.dtype, jnp.integer) or np.isfinite(x).all() or "decision" not in key, key
    if any(entry.get("class") == "decide" for entry in net.values()):
        assert any(jnp.issubdtype(x.dtype, jnp.integer) for x, _ in outputs.values()), list(outputs)
