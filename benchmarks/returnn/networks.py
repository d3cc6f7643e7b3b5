"""The dictionaries, and the batch that all are trained on. No imports of either library: both workers read this."""

from __future__ import annotations

from typing import Any

import numpy as np

BATCH, TIME, FEATURES, LABELS = 8, 100, 40, 512
OUTPUT = {"class": "softmax", "loss": "ce", "target": "classes", "n_out": LABELS}


def feed_forward() -> dict[str, Any]:
    """Six layers of 512 units."""
    net: dict[str, Any] = {}
    last = "data"
    for i in range(6):
        net[f"h{i}"] = {"class": "linear", "activation": "relu", "n_out": 512, "from": last}
        last = f"h{i}"
    return net | {"output": {**OUTPUT, "from": last}}


def convolutional() -> dict[str, Any]:
    """Three convolutions of 3 x 3 over time and features, 32 channels."""
    net: dict[str, Any] = {
        "image": {"class": "split_dims", "axis": "F", "dims": (FEATURES, 1), "from": "data"},
    }
    last = "image"
    for i in range(3):
        net[f"c{i}"] = {
            "class": "conv",
            "filter_size": (3, 3),
            "n_out": 32,
            "padding": "same",
            "activation": "relu",
            "with_bias": True,
            "in_spatial_dims": ["T", f"dim:{FEATURES}"],
            "from": last,
        }
        last = f"c{i}"
    net["flat"] = {"class": "merge_dims", "axes": [f"dim:{FEATURES}", "F"], "keep_order": True, "from": last}
    return net | {"output": {**OUTPUT, "from": "flat"}}


def self_attention() -> dict[str, Any]:
    """Four blocks of self-attention and two linear layers, 256 wide, with layer norm ahead and residuals."""
    net: dict[str, Any] = {"in": {"class": "linear", "activation": None, "n_out": 256, "from": "data"}}
    last = "in"
    for i in range(4):
        net |= {
            f"n{i}": {"class": "layer_norm", "from": last},
            f"a{i}": {"class": "self_attention", "num_heads": 4, "total_key_dim": 256, "n_out": 256, "from": f"n{i}"},
            f"r{i}": {"class": "combine", "kind": "add", "from": [last, f"a{i}"], "n_out": 256},
            f"m{i}": {"class": "layer_norm", "from": f"r{i}"},
            f"f{i}": {"class": "linear", "activation": "relu", "n_out": 1024, "from": f"m{i}"},
            f"g{i}": {"class": "linear", "activation": None, "n_out": 256, "from": f"f{i}"},
            f"s{i}": {"class": "combine", "kind": "add", "from": [f"r{i}", f"g{i}"], "n_out": 256},
        }
        last = f"s{i}"
    return net | {"output": {**OUTPUT, "from": last}}


NETWORKS = {"feed-forward": feed_forward, "convolutional": convolutional, "self-attention": self_attention}


def batch() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels, lengths."""
    rng = np.random.RandomState(0)
    lengths = np.linspace(TIME, TIME // 2, BATCH).astype("int32")
    features = rng.randn(BATCH, TIME, FEATURES).astype("float32")
    return features, rng.randint(0, LABELS, (BATCH, TIME)).astype("int32"), lengths


def values(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The same initial values for both, by name."""
    rng = np.random.RandomState(1)
    made = {}
    for name in sorted(shapes):
        shape = shapes[name]
        scale = 1.0 if name.endswith("/scale") else 0.0
        spread = (2.0 / max(1, int(np.prod(shape[:-1])))) ** 0.5 if len(shape) > 1 else 0.01
        made[name] = (scale + rng.randn(*shape) * spread).astype("float32")
    return made
