"""Two small networks with loops, and their objective."""

import jax
import numpy as np

import tenure as tn

LENGTHS = np.array([6, 4, 3])
RNN = {
    "rec": {
        "class": "rec",
        "from": "data",
        "unit": {
            "x": {"class": "linear", "n_out": 5, "from": "data:source"},
            "r": {"class": "linear", "n_out": 5, "with_bias": False, "from": "prev:s"},
            "s": {"class": "combine", "kind": "add", "activation": "tanh", "from": ["x", "r"]},
            "output": {"class": "linear", "n_out": 4, "from": "s"},
        },
    },
    "output": {"class": "softmax", "from": "rec", "loss": "ce", "target": "classes"},
}
DATA = {"data": {"dim": 4}, "classes": {"dim": 7, "sparse": True}}
DECODER = {
    "output": {
        "class": "rec",
        "from": [],
        "target": "classes",
        "max_seq_len": 8,
        "unit": {
            "embed": {"class": "linear", "n_out": 6, "activation": None, "from": "prev:output"},
            "s": {"class": "rec", "unit": "lstm", "n_out": 5, "axis": tn.network.single_step_dim, "from": "embed"},
            "p": {"class": "softmax", "from": "s", "loss": "ce", "target": "classes"},
            "output": {"class": "choice", "from": "p", "target": "classes", "beam_size": 1, "initial_output": 0},
            "end": {"class": "compare", "kind": "equal", "value": 0, "from": "output"},
        },
    }
}
MOVED = {
    "enc": {"class": "linear", "n_out": 4, "from": "data"},
    "output": {
        "class": "rec",
        "from": [],
        "target": "classes",
        "unit": {
            "output": {"class": "choice", "from": "p", "target": "classes", "beam_size": 2, "initial_output": 0},
            "embed": {"class": "linear", "n_out": 4, "activation": None, "from": "prev:output", "share": {"W": "words/W"}},
            "pos": {"class": "positional_encoding", "add_to_input": True, "from": "embed"},
            "self": {
                "class": "self_attention",
                "num_heads": 2,
                "total_key_dim": 4,
                "n_out": 4,
                "attention_left_only": True,
                "from": "pos",
            },
            "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 5, "from": ["self", "first"]},
            "count": {"class": "cast", "dtype": "float32", "from": ":i"},
            "first": {"class": "combine", "kind": "mul", "from": ["embed", "count"]},
            "energy": {"class": "dot", "red1": "F", "red2": "F", "var1": "T", "var2": None, "from": ["base:enc", "self"]},
            "w": {"class": "softmax_over_spatial", "axis": "T", "from": "energy"},
            "att": {"class": "generic_attention", "weights": "w", "base": "base:enc"},
            "p": {"class": "softmax", "from": ["s", "att", "prev:att"], "loss": "ce", "target": "classes"},
        },
    },
    "words": {"class": "linear", "n_out": 4, "activation": None, "from": "data:classes", "is_output_layer": True},
}  # fmt: skip


def objective(net, batch, params=None):
    model = tn.network(net, DATA)
    if params is None:
        params, _ = jax.jit(model.init)(jax.random.key(0), batch)
    run = jax.jit(lambda p: model.apply(p, {}, jax.random.key(1), batch, train=True)[0].objective)
    return params, jax.value_and_grad(run)(params)
