"""Recurrent networks, attention decoders and searches, and their batches. No imports of either library."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.returnn.networks import FEATURES, Problem

LABELS, BEAM = 2000, 12
BATCH, FRAMES, TARGETS, STEPS = 8, 60, 24, 30  # STEPS: of a search; none ends before
BLSTM, UNITS, WIDTH, HEADS, BLOCKS = 256, 512, 256, 4, 3

Net = dict[str, Any]


def _linear(source: Any, n: int, activation: str | None = None, **more: Any) -> Net:
    return {"class": "linear", "activation": activation, "n_out": n, "from": source, **more}


def _add(*sources: str) -> Net:
    return {"class": "combine", "kind": "add", "from": list(sources)}


def _blstm(layers: int, units: int) -> tuple[Net, list[str]]:
    net, last = {}, ["data"]
    for i in range(layers):
        for name, direction in (("fw", 1), ("bw", -1)):
            net[f"{name}{i}"] = {
                "class": "rec",
                "unit": "nativelstm2",
                "n_out": units,
                "direction": direction,
                "from": last,
            }
        last = [f"fw{i}", f"bw{i}"]
    return net, last


def blstm() -> Net:
    """Two bidirectional LSTM layers, and labels of all frames."""
    net, last = _blstm(2, BLSTM)
    return net | {"output": {"class": "softmax", "loss": "ce", "target": "classes", "from": last}}


def _decoder(net: Net, unit: Net) -> Net:
    unit |= {
        "output": {
            "class": "choice",
            "target": "classes",
            "beam_size": BEAM,
            "from": "output_prob",
            "initial_output": 0,
        },
        "end": {"class": "compare", "kind": "equal", "value": 0, "from": "output"},
        "output_prob": unit["output_prob"] | {"class": "softmax", "loss": "ce", "target": "classes"},
    }
    loop = {"class": "rec", "from": [], "unit": unit, "target": "classes", "max_seq_len": STEPS}
    return net | {
        "output": loop,
        "decision": {"class": "decide", "from": "output", "only_on_search": True, "is_output_layer": True},
    }


def attention() -> Net:
    """An LSTM decoder that attends to a bidirectional LSTM by a small network, with weight feedback."""
    net, last = _blstm(1, BLSTM)
    net |= {
        "encoder": {"class": "copy", "from": last},
        "enc_ctx": _linear("encoder", UNITS),
        "inv_fertility": _linear("encoder", 1, "sigmoid", with_bias=False),
    }
    unit = {
        "weight_feedback": _linear("prev:accum_att_weights", UNITS, with_bias=False),
        "s_transformed": _linear("s", UNITS, with_bias=False),
        "energy_in": _add("base:enc_ctx", "weight_feedback", "s_transformed"),
        "energy_tanh": {"class": "activation", "activation": "tanh", "from": "energy_in"},
        "energy": _linear("energy_tanh", 1, with_bias=False),
        "att_weights": {"class": "softmax_over_spatial", "from": "energy"},
        "accum_att_weights": {
            "class": "eval",
            "eval": "source(0) + source(1) * source(2) * 0.5",
            "from": ["prev:accum_att_weights", "att_weights", "base:inv_fertility"],
            "out_type": {"dim": 1, "shape": (None, 1)},
        },
        "att": {"class": "generic_attention", "weights": "att_weights", "base": "base:encoder"},
        "embed": _linear("output", UNITS, with_bias=False, initial_output=0),
        "s": {"class": "rec", "unit": "nativelstm2", "from": ["prev:embed", "prev:att"], "n_out": UNITS},
        "readout": _linear(["s", "prev:embed", "att"], UNITS, "relu"),
        "output_prob": {"from": "readout"},
    }
    return _decoder(net, unit)


def transformer() -> Net:
    """Blocks of self-attention, attention to the encoder and two linear layers, with layer norm ahead and residuals."""
    net: Net = {"encoder": _linear("data", WIDTH, "relu")}
    unit: Net = {"embed": _linear("prev:output", WIDTH, with_bias=False)}
    last = "embed"
    for i in range(BLOCKS):
        for what in ("key", "value"):
            net[f"{what}0_{i}"] = _linear("encoder", WIDTH, with_bias=False)
            net[f"{what}_{i}"] = {
                "class": "split_dims",
                "axis": "F",
                "dims": (HEADS, WIDTH // HEADS),
                "from": f"{what}0_{i}",
            }
        unit |= {
            f"self_norm{i}": {"class": "layer_norm", "from": last},
            f"self{i}": {
                "class": "self_attention",
                "num_heads": HEADS,
                "total_key_dim": WIDTH,
                "n_out": WIDTH,
                "attention_left_only": True,
                "from": f"self_norm{i}",
            },
            f"self_out{i}": _linear(f"self{i}", WIDTH, with_bias=False),
            f"a{i}": _add(last, f"self_out{i}"),
            f"norm{i}": {"class": "layer_norm", "from": f"a{i}"},
            f"query0_{i}": _linear(f"norm{i}", WIDTH, with_bias=False),
            f"query{i}": {
                "class": "split_dims",
                "axis": "F",
                "dims": (HEADS, WIDTH // HEADS),
                "from": f"query0_{i}",
            },
            f"energy{i}": {
                "class": "dot",
                "red1": "F",
                "red2": "F",
                "var1": "T",
                "var2": "T?",
                "from": [f"base:key_{i}", f"query{i}"],
            },
            f"weights{i}": {
                "class": "softmax_over_spatial",
                "from": f"energy{i}",
                "energy_factor": (WIDTH / HEADS) ** -0.5,
            },
            f"context0_{i}": {"class": "generic_attention", "weights": f"weights{i}", "base": f"base:value_{i}"},
            f"context{i}": {
                "class": "merge_dims",
                "axes": [f"dim:{HEADS}", f"dim:{WIDTH // HEADS}"],
                "keep_order": True,
                "from": f"context0_{i}",
            },
            f"att{i}": _linear(f"context{i}", WIDTH, with_bias=False),
            f"b{i}": _add(f"a{i}", f"att{i}"),
            f"ff_norm{i}": {"class": "layer_norm", "from": f"b{i}"},
            f"ff1_{i}": _linear(f"ff_norm{i}", 4 * WIDTH, "relu"),
            f"ff2_{i}": _linear(f"ff1_{i}", WIDTH),
            f"c{i}": _add(f"b{i}", f"ff2_{i}"),
        }
        last = f"c{i}"
    unit |= {"norm": {"class": "layer_norm", "from": last}, "output_prob": {"from": "norm"}}
    return _decoder(net, unit)


NETWORKS = {"BLSTM": blstm, "attention decoder": attention, "Transformer decoder": transformer}


def batch(targets: int, size: int = BATCH) -> dict[str, np.ndarray]:
    """Features, labels, and the lengths of both; the shortest sequence is half as long as the longest."""
    rng = np.random.RandomState(0)
    lengths = {"data": FRAMES, "classes": targets}
    found = {f"{k}:lengths": np.linspace(m, m // 2, size).astype("int32") for k, m in lengths.items()}
    return found | {
        "data": rng.randn(size, FRAMES, FEATURES).astype("float32"),
        "classes": rng.randint(1, LABELS, (size, targets)).astype("int32"),
    }


def problem(name: str, task: str) -> Problem:
    """A network, to be trained, to search with, or to search for one sentence's labels with ("search of one")."""
    aligned = name == "BLSTM"
    given = batch(FRAMES if aligned else TARGETS, 1 if task == "search of one" else BATCH)
    return Problem(NETWORKS[name](), given, LABELS, aligned, task != "training", version=0)
