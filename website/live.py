"""Pages that Tenure itself makes, embedded in the site: a ledger's, and a network's."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import tenure as tn
from tenure import nets


def pages() -> dict[str, str]:
    """Path under `docs/` → HTML."""
    return {"live/ledger.html": ledger(), "live/network.html": network()}


def ledger() -> str:
    """The ledger of a tied language model, with an adapter and noise on the matrix that embedding and output share."""

    def model(tokens: jax.Array) -> jax.Array:
        config = nets.TransformerConfig(width=128, num_heads=4, num_layers=6)
        return nets.TransformerLM(4000, config, share={"output/w": "lm/embed/embeddings | transpose"}, name="lm")(
            tokens
        )

    stages = {"lm/embed/embeddings": ["lora(8)", "noise(0.05)"]}
    return tn.transform(model, stages=stages).plan(jnp.zeros((2, 7), int)).ledger.to_html()


def network() -> str:
    """The picture of an attention decoder's network."""
    unit = {
        "embed": {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "n_out": 32,
            "from": "output",
            "initial_output": 0,
        },
        "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 64, "from": ["prev:embed", "prev:att"]},
        "query": {"class": "linear", "activation": None, "n_out": 64, "from": "s"},
        "scores_in": {"class": "combine", "kind": "add", "from": ["base:keys", "query"]},
        "scores": {"class": "linear", "activation": "tanh", "n_out": 1, "from": "scores_in"},
        "weights": {"class": "softmax_over_spatial", "from": "scores"},
        "att": {"class": "generic_attention", "weights": "weights", "base": "base:encoder"},
        "p": {"class": "softmax", "from": ["s", "att"], "target": "classes", "loss": "ce"},
        "output": {"class": "choice", "beam_size": 12, "from": "p", "target": "classes", "initial_output": 0},
        "end": {"class": "compare", "from": "output", "value": 0},
    }
    lstm = {"class": "rec", "unit": "nativelstm2", "n_out": 64}
    layers = {
        "source": {"class": "linear", "activation": None, "with_bias": False, "n_out": 32, "from": "data"},
        "fw": {**lstm, "direction": 1, "from": "source"},
        "bw": {**lstm, "direction": -1, "from": "source"},
        "encoder": {"class": "copy", "from": ["fw", "bw"]},
        "keys": {"class": "linear", "activation": None, "n_out": 64, "from": "encoder"},
        "output": {
            "class": "rec",
            "from": [],
            "unit": unit,
            "target": "classes",
            "max_seq_len": "max_len_from('base:encoder') * 2",
        },
        "decision": {"class": "decide", "from": "output", "loss": "edit_distance", "target": "classes"},
    }
    words = {"dim": 1000, "sparse": True}
    return tn.network(layers, {"data": words, "classes": {**words, "available_for_inference": False}}).show().html()
