"""One file that a training run continues from.

Parameters, optimizer state and progress are in one safetensors file, so that
they can never be of different steps. It is written under another name and then
renamed, which the file system does at once: whoever is interrupted finds the
old file or the new one, whole. There is no pickle in it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file


class CheckpointError(ValueError):
    """The file does not belong to this run; the message says in what it differs."""


class Checkpoint(NamedTuple):
    """Everything a run continues from.

    `about` is what JSON can hold: configuration, step, seconds, learning curve.
    """

    params: Any
    optimizer: Any
    about: dict[str, Any]


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Writes `checkpoint` to `path`, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = _named("params", checkpoint.params) | _named("optimizer", checkpoint.optimizer)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        save_file(arrays, temporary, metadata={"about": json.dumps(checkpoint.about)})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_about(path: Path) -> dict[str, Any]:
    """What the file says of the run, without reading an array."""
    with safe_open(path, framework="numpy") as file:
        return json.loads((file.metadata() or {}).get("about", "{}"))


def restore(path: Path, params: Any, optimizer: Any) -> Checkpoint:
    """Reads `path` into trees like `params` and `optimizer` (arrays or shapes).

    Raises:
      CheckpointError: an array is missing, too many, or of another shape.
    """
    wanted = _paths("params", params) | _paths("optimizer", optimizer)
    with safe_open(path, framework="numpy") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    _compare(path, wanted, found)
    fill = lambda part: lambda where, _: found[_name(part, where)]  # noqa: E731
    return Checkpoint(
        jax.tree_util.tree_map_with_path(fill("params"), params),
        jax.tree_util.tree_map_with_path(fill("optimizer"), optimizer),
        read_about(path),
    )


def _compare(path: Path, wanted: dict[str, Any], found: dict[str, np.ndarray]) -> None:
    problems = [f"missing: {name}" for name in wanted.keys() - found.keys()]
    problems += [f"not in the model: {name}" for name in found.keys() - wanted.keys()]
    problems += [
        f"{name}: {found[name].shape} in the file, {wanted[name].shape} in the model"
        for name in wanted.keys() & found.keys()
        if found[name].shape != wanted[name].shape
    ]
    if problems:
        shown = "\n".join(f"  {problem}" for problem in sorted(problems)[:10])
        raise CheckpointError(f"{path} is of another model ({len(problems)} differences)\n{shown}")


def _named(part: str, tree: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(leaf, order="C") for name, leaf in _paths(part, tree).items()}


def _paths(part: str, tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {_name(part, where): leaf for where, leaf in leaves}


def _name(part: str, where: tuple[Any, ...]) -> str:
    """``params/source_embed/w``: the path in the tree, with slashes."""
    return f"{part}/{jax.tree_util.keystr(where, simple=True, separator='/')}"
