"""A decoder that attends, its searches, and the same step by step in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn

LABELS, STEPS, UNITS = 3, 3, 4
DATA = {"data": {"dim": 5}, "classes": {"dim": LABELS, "sparse": True, "available_for_inference": False}}
LENGTHS = np.array([4, 2])
X = np.random.RandomState(1).randn(2, 4, 5).astype("float32")


def decoder(choice=None, rec=None, probability="softmax", **more):
    """An LSTM over its own labels that attends to the input."""
    unit = {
        "embed": {"class": "linear", "n_out": 4, "activation": None, "from": "prev:output"},
        "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": UNITS, "from": ["prev:embed_", "prev:att"]},
        "embed_": {"class": "linear", "n_out": 4, "activation": None, "from": "output"},
        "query": {"class": "linear", "n_out": 5, "with_bias": False, "from": "s"},
        "energy": {"class": "dot", "red1": "F", "red2": "F", "var1": "T", "var2": None, "from": ["base:enc", "query"]},
        "weights": {"class": "softmax_over_spatial", "axis": "T", "from": "energy"},
        "att": {"class": "generic_attention", "weights": "weights", "base": "base:enc"},
        "p": {"class": "linear", "activation": probability, "n_out": LABELS, "from": ["s", "att"]},
        "output": {"class": "choice", "target": "classes", "beam_size": 4, "from": "p", "initial_output": 0, **(choice or {})},
        "end": {"class": "compare", "kind": "equal", "value": 0, "from": "output"},
        **more,
    }  # fmt: skip
    del unit["embed"]
    loop = {"class": "rec", "from": [], "target": "classes", "max_seq_len": STEPS, "unit": unit, **(rec or {})}
    enc = {"class": "linear", "n_out": 5, "activation": "tanh", "from": "data"}
    return {"enc": enc, "output": loop, "decision": {"class": "decide", "from": "output", "is_output_layer": True}}


def weights(net):
    """Parameters with which labels are far from equally probable."""
    params, state = tn.network(net, DATA).init(jax.random.key(3), {"data": (X, LENGTHS)}, train=False, losses=False, search=True)  # fmt: skip
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.RandomState(7)
    return jax.tree.unflatten(tree, [jnp.asarray(rng.randn(*x.shape) * 1.3, x.dtype) for x in leaves]), state


def search(net, layers=None):
    model = tn.network(net, DATA)
    params, state = weights(net)
    result, _ = model.apply(params, state, None, {"data": (X, LENGTHS)}, losses=False, search=True, layers=layers)
    return result


GOLD = {"data": (X, LENGTHS), "classes": (np.array([[1, 2, 0], [2, 0, 0]]), np.array([3, 2]))}


def with_gold(net):
    model = tn.network(net, DATA, check=False)
    params, state = model.init(jax.random.key(0), GOLD, train=False, losses=False, search=True)
    return model.apply(params, state, None, GOLD, losses=False, search=True)[0]
