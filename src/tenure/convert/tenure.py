"""Tenure's own checkpoints, as weights by path with ties, so that they are compared and converted like all others."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.checkpoints.manifest import NAME
from tenure.checkpoints.opened import Opened
from tenure.checkpoints.save import save
from tenure.convert.errors import FileError, name_of, unwritable
from tenure.convert.ledger import ledger_of
from tenure.convert.weights import Tensor, Weights
from tenure.core.errors import brief


def read(path: str | Path, group: str = "params") -> Weights:
    """A checkpoint's parameters; checksums are compared when a value is read.

    Args:
      path: the folder that `tn.save` wrote.
      group: "params", "state" or "training".

    Raises:
      CheckpointError: it is none, or damaged.
      FileError: it has no such group.
    """
    opened = Opened(path)
    if group not in opened.body["groups"]:
        there = ", ".join(opened.body["groups"])
        raise FileError(f"'{name_of(path)}' has no group '{brief(group)[1:-1]}'", ways=[f"groups in it: {there}"])
    leaves = opened.leaves(group)
    tensors = {
        name: Tensor(tuple(leaf.shape), np.dtype(leaf.dtype), functools.partial(_read, leaf))
        for name, leaf in leaves.items()
    }
    ties = {}
    if group == "params":
        for row in opened.ledger.rows:
            plain = row.kind == "borrowed" and row.collection == "params" and len(row.owners) == 1
            if plain and row.owners[0] in tensors and not any("⟨" in view or "@" in row.borrows for view in row.views):
                ties[row.path] = " | ".join([row.owners[0], *row.views])
    others = {name: len(opened.leaves(name)) for name in opened.body["groups"] if name != group}
    about = {"step": opened.body["step"], "metadata": opened.body["metadata"], "other groups": others or None}
    return Weights(path, "tenure", tensors, ties, {k: v for k, v in about.items() if v is not None})


def _read(leaf: Any) -> np.ndarray:
    return np.asarray(leaf.read())


def write(path: str | Path, values: Mapping[str, Any], ties: Mapping[str, str] | None = None) -> None:
    """A checkpoint of parameters by path, with a ledger of their ties.

    Args:
      path: the folder; an existing checkpoint gives way.
      values: arrays by path.
      ties: path → another path, with views.

    Raises:
      PathSyntaxError: a name that is no path: rules give names such as `layer_0/w`.
    """
    arrays = {name: np.asarray(value) for name, value in values.items()}
    ledger = ledger_of({n: (a.shape, str(a.dtype)) for n, a in arrays.items()}, ties or {})
    params: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        if array.dtype.kind not in "biufcV":
            raise unwritable(path, name, array.dtype)
        module, _, last = name.rpartition("/")
        params.setdefault(module or "~", {})[last] = array
    save(path, ledger, params, overwrite=os.path.lexists(path))


__all__ = ["NAME", "read", "write"]
