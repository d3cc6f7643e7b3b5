"""The dictionaries, and the batch that all are trained on. No imports of either library: all workers read this."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

FEATURES = 40
RATE = 1e-5  # of Adam


@dataclasses.dataclass(frozen=True)
class Size:
    """How large a network and its batch are.

    Attributes:
      batch: sequences, the shortest half as long as the longest.
      time: frames of the longest.
      labels: of the output.
      hidden: units of a feed-forward layer.
      model: width of the self-attention network; its inner layers are four times as wide.
      channels: of a convolution.
    """

    batch: int
    time: int
    labels: int
    hidden: int
    model: int
    channels: int


@dataclasses.dataclass(frozen=True)
class Problem:
    """What both libraries are given.

    Attributes:
      net: the dictionary.
      batch: the inputs `data` and `classes` and their lengths, `data:lengths` and `classes:lengths`.
      labels: how many there are.
      aligned: whether the labels go with the frames, and not over a sequence of their own.
      search: whether it is a search for `decision`; training otherwise.
      version: RETURNN's behaviour version.
    """

    net: dict[str, Any]
    batch: dict[str, np.ndarray]
    labels: int
    aligned: bool = True
    search: bool = False
    version: int = 20


SIZES = {
    "small": Size(batch=4, time=25, labels=64, hidden=64, model=64, channels=32),
    "middle": Size(batch=4, time=50, labels=128, hidden=128, model=128, channels=32),
    "large": Size(batch=8, time=100, labels=512, hidden=512, model=256, channels=32),
}


def _output(size: Size, last: str) -> dict[str, Any]:
    return {"output": {"class": "softmax", "loss": "ce", "target": "classes", "n_out": size.labels, "from": last}}


def feed_forward(size: Size) -> dict[str, Any]:
    """Six hidden layers."""
    net: dict[str, Any] = {}
    last = "data"
    for i in range(6):
        net[f"h{i}"] = {"class": "linear", "activation": "relu", "n_out": size.hidden, "from": last}
        last = f"h{i}"
    return net | _output(size, last)


def convolutional(size: Size) -> dict[str, Any]:
    """Three convolutions of 3 x 3 over time and features."""
    net: dict[str, Any] = {
        "image": {"class": "split_dims", "axis": "F", "dims": (FEATURES, 1), "from": "data"},
    }
    last = "image"
    for i in range(3):
        net[f"c{i}"] = {
            "class": "conv",
            "filter_size": (3, 3),
            "n_out": size.channels,
            "padding": "same",
            "activation": "relu",
            "with_bias": True,
            "in_spatial_dims": ["T", f"dim:{FEATURES}"],
            "from": last,
        }
        last = f"c{i}"
    net["flat"] = {"class": "merge_dims", "axes": [f"dim:{FEATURES}", "F"], "keep_order": True, "from": last}
    return net | _output(size, "flat")


def self_attention(size: Size) -> dict[str, Any]:
    """Four blocks of self-attention and two linear layers, with layer norm ahead and residuals."""
    width = size.model
    net: dict[str, Any] = {"in": {"class": "linear", "activation": None, "n_out": width, "from": "data"}}
    last = "in"
    for i in range(4):
        net |= {
            f"n{i}": {"class": "layer_norm", "from": last},
            f"a{i}": {
                "class": "self_attention",
                "num_heads": 4,
                "total_key_dim": width,
                "n_out": width,
                "from": f"n{i}",
            },
            f"r{i}": {"class": "combine", "kind": "add", "from": [last, f"a{i}"], "n_out": width},
            f"m{i}": {"class": "layer_norm", "from": f"r{i}"},
            f"f{i}": {"class": "linear", "activation": "relu", "n_out": 4 * width, "from": f"m{i}"},
            f"g{i}": {"class": "linear", "activation": None, "n_out": width, "from": f"f{i}"},
            f"s{i}": {"class": "combine", "kind": "add", "from": [f"r{i}", f"g{i}"], "n_out": width},
        }
        last = f"s{i}"
    return net | _output(size, last)


NETWORKS = {"feed-forward": feed_forward, "convolutional": convolutional, "self-attention": self_attention}


def batch(size: Size) -> dict[str, np.ndarray]:
    """Features, labels, lengths."""
    rng = np.random.RandomState(0)
    shape = size.batch, size.time
    lengths = np.linspace(size.time, size.time // 2, size.batch).astype("int32")
    features = rng.randn(*shape, FEATURES).astype("float32")
    labels = rng.randint(0, size.labels, shape).astype("int32")
    return {"data": features, "classes": labels, "data:lengths": lengths, "classes:lengths": lengths}


def problem(name: str, size: str) -> Problem:
    """A network of one of the sizes, and its batch."""
    chosen = SIZES[size]
    return Problem(NETWORKS[name](chosen), batch(chosen), chosen.labels)


def values(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The same initial values for both, by name; with them, no search ends early."""
    rng = np.random.RandomState(1)
    made = {}
    for name in sorted(shapes):
        shape = shapes[name]
        scale = 1.0 if name.endswith("/scale") else 0.0
        spread = (2.0 / max(1, int(np.prod(shape[:-1])))) ** 0.5 if len(shape) > 1 else 0.01
        made[name] = (scale + rng.randn(*shape) * spread).astype("float32")
        if name.endswith("output_prob/b"):
            made[name][0] = -1e3
    return made
