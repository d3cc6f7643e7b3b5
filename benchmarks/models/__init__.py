"""One Transformer, written once per library. ``make(name, config)`` builds a fresh one."""

from __future__ import annotations

import importlib

from benchmarks.models.common import Config, Peer

#: In the order of the table; the first is what the others are compared with.
PEERS = ("handwritten", "tenure", "haiku", "linen", "nnx", "equinox")
REFERENCE = PEERS[0]
_DISTRIBUTIONS = {"tenure": "tenure", "haiku": "dm-haiku", "linen": "flax", "nnx": "flax", "equinox": "equinox"}


def make(name: str, config: Config) -> Peer:
    """A fresh model: nothing planned, nothing initialised."""
    module = name if name == "handwritten" else f"{name}_model"
    return importlib.import_module(f"benchmarks.models.{module}").Model(config)


def distribution(name: str) -> str:
    """The package that a peer measures: ``linen`` is part of ``flax``."""
    return _DISTRIBUTIONS.get(name, "jax")


__all__ = ["PEERS", "REFERENCE", "Config", "Peer", "distribution", "make"]
