"""Rows that only fill up the shape of a batch change no loss, no gradient and no state."""

import jax
import numpy as np
import pytest

from tenure.network.model import Network

random = np.random.RandomState(0)
FRAMES, LABELS = np.array([7, 4, 5], "int32"), np.array([4, 2, 3], "int32")
DATA = random.randn(3, 7, 5).astype("float32")
ALIGNED = random.randint(0, 6, (3, 7)).astype("int32")
TEXT = random.randint(0, 6, (3, 4)).astype("int32")
ONE = random.randint(0, 6, (3,)).astype("int32")
CLASSES = {"dim": 6, "sparse": True}
SOFTMAX = {"class": "softmax", "loss": "ce"}
LSTM = {"class": "rec", "unit": "nativelstm2", "n_out": 4, "from": "data"}
SMALL = {"class": "linear", "activation": None, "n_out": 4, "from": "data"}
MEAN = {"class": "reduce", "mode": "mean", "axis": "T", "from": "data"}
ATTENTION = {
    "unit": {
        "output": {"class": "choice", "target": "classes", "beam_size": 3, "from": "prob", "initial_output": 0},
        "end": {"class": "compare", "from": "output", "value": 0},
        "embed": {"class": "linear", "activation": None, "n_out": 4, "from": "output", "initial_output": 0},
        "energy_in": {"class": "combine", "kind": "add", "from": ["base:encoder", "prev:s"], "n_out": 4},
        "energy": {"class": "linear", "activation": None, "n_out": 1, "from": "energy_in"},
        "weights": {"class": "softmax_over_spatial", "from": "energy"},
        "att": {"class": "generic_attention", "weights": "weights", "base": "base:encoder"},
        "s": {"class": "rnn_cell", "unit": "LSTMBlock", "from": ["prev:embed", "prev:att"], "n_out": 4},
        "prob": {"class": "softmax", "from": ["s", "att"], "target": "classes", "loss": "ce"},
    },
    "class": "rec",
    "from": [],
    "target": "classes",
    "max_seq_len": "max_len_from('base:encoder')",
}
NETWORKS = {
    "frames": ({"a": LSTM, "output": {**SOFTMAX, "from": "a"}}, "frames"),
    "batch norm": ({"a": {**SMALL, "batch_norm": True}, "output": {**SOFTMAX, "from": "a"}}, "frames"),
    "batch norm over padding": (
        # without a bias, whose gradient ahead of batch norm is nothing but rounding
        {
            "a": {**SMALL, "with_bias": False, "batch_norm": {"masked_time": False, "param_version": 2}},
            "output": {**SOFTMAX, "from": "a"},
        },
        "frames",
    ),
    "ctc": ({"a": LSTM, "output": {**SOFTMAX, "n_out": 7, "loss": "ctc", "from": "a"}}, "text"),
    "attention": ({"encoder": {**SMALL, "activation": "tanh"}, "output": ATTENTION}, "text"),
    "one label": ({"m": MEAN, "output": {**SOFTMAX, "from": "m"}}, "one"),
    "a mean of losses": (
        {"m": MEAN, "output": {**SOFTMAX, "from": "m", "loss_opts": {"use_normalized_loss": True}}},
        "one",
    ),
}
TARGETS = {"frames": (ALIGNED, FRAMES), "text": (TEXT, LABELS), "one": ONE}


def with_rows(fed, count):
    """The batch with further rows, which repeat the first and are empty."""
    if not isinstance(fed, tuple):
        return np.concatenate([fed, np.repeat(fed[:1], count, 0)])
    return with_rows(fed[0], count), np.concatenate([fed[1], np.zeros(count, "int32")])


@pytest.mark.parametrize("name", NETWORKS)
def test_further_rows_change_nothing(name):
    net, target = NETWORKS[name]
    classes = {**CLASSES, "shape": ()} if target == "one" else CLASSES
    model = Network(net, {"data": {"dim": 5}, "classes": classes}, behavior_version=0)
    batch = {"data": (DATA, FRAMES), "classes": TARGETS[target]}
    params, state = model.init(jax.random.key(0), batch)

    def told(params, batch, rows):
        result, new = model.apply(params, state, jax.random.key(1), batch, train=True, rows=rows, layers=())
        return result.objective, (result.losses, new)

    step = jax.jit(jax.value_and_grad(told, has_aux=True))
    expected = step(params, batch, None)
    found = step(params, {key: with_rows(fed, 2) for key, fed in batch.items()}, 3)
    assert jax.tree.structure(expected) == jax.tree.structure(found)
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(expected), jax.tree.leaves(found), strict=True):
        if ".frames" in jax.tree_util.keystr(path):  # what each sequence has, of which further ones have nothing
            assert not b[len(a) :].any()
            b = b[: len(a)]
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-6, err_msg=f"{name}: {jax.tree_util.keystr(path)}")
