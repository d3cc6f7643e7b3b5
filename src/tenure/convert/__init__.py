"""Weights of other libraries: one file per format, read and written as data, and rules from their names to ours.

weights = tn.convert.read("model.safetensors")              # tensors by name, each read when it is asked for
mapped = tn.convert.apply(weights, {"lm_head.weight | transpose": "head/w"})
params = tn.convert.into(mapped, model.plan(tokens))        # checked against a model, ties compared
tn.convert.write("model.npz", mapped)
"""

from __future__ import annotations

from tenure.convert.convert import copied, into, load, read, tree, write
from tenure.convert.errors import DamagedFileError, FileError, MapError, UnknownTensorError, UnsupportedFileError
from tenure.convert.ledger import ledger
from tenure.convert.mapping import apply
from tenure.convert.rules import Rule, Rules
from tenure.convert.weights import Tensor, Weights, held

__all__ = [
    "DamagedFileError",
    "FileError",
    "MapError",
    "Rule",
    "Rules",
    "Tensor",
    "UnknownTensorError",
    "UnsupportedFileError",
    "Weights",
    "apply",
    "copied",
    "held",
    "into",
    "ledger",
    "load",
    "read",
    "tree",
    "write",
]
