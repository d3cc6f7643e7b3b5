"""Equinox's `.eqx`: the leaves of a tree one after the other in numpy's format, without names, perhaps after a line of JSON.

The leaves' names are their places, `"0"`, `"1"`, …, in the order of `jax.tree_util.tree_leaves(model)`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.convert import npy
from tenure.convert.cursor import Cursor, open_bytes
from tenure.convert.files import replaced
from tenure.convert.safetensors import parse_json
from tenure.convert.weights import Weights, held

_LINE = 1 << 20  # bytes of a line of hyperparameters


def read(path: str | Path) -> Weights:
    """The leaves of a tree; `about` is the line of JSON before them, which Equinox's documentation suggests for hyperparameters.

    Raises:
      FileError: it is damaged.
    """
    cursor = Cursor(path, open_bytes(path))
    about = _hyperparameters(cursor)
    leaves: list[np.ndarray] = []
    while cursor.left:
        leaves.append(npy.read(cursor, f"leaf {len(leaves)}"))
    if not leaves:
        raise cursor.fail("there is no array")
    return Weights(path, "equinox", {str(i): held(leaf) for i, leaf in enumerate(leaves)}, about=about)


def _hyperparameters(cursor: Cursor) -> dict[str, Any]:
    head = bytes(cursor.data[:_LINE])
    if not head.startswith(b"{"):
        return {}
    size = head.find(b"\n")
    if size < 0:
        raise cursor.fail("the line of JSON does not end")
    return parse_json(cursor.path, cursor.text(size + 1, "the line of JSON"))


def write(path: str | Path, values: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> None:
    """What `equinox.tree_deserialise_leaves` reads into a model with as many leaves, in the order of `values`.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.eqx"
    >>> write(path, {"a/w": np.arange(3)})
    >>> dict(read(path))
    {'0': array([0, 1, 2])}
    """
    with replaced(path) as file:
        if about:
            file.write(json.dumps(dict(about)).encode() + b"\n")
        for value in values.values():
            file.write(npy.encode(np.asarray(value)))


__all__ = ["read", "write"]
