"""Checkpoints: files that RETURNN wrote are read and written again, and loaded into networks as RETURNN loads them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

import tenure as tn
from tenure.convert import tensorflow
from tenure.convert.weights import Weights
from tenure.core.errors import TenureError
from tenure.returnn.checkpoints import Preload, load, preload
from tenure.returnn.engine_replay.cases import Case
from tenure.returnn.engine_replay.compare import differences

STEP = "global_step"


def check(case: Case) -> list[str]:
    """What differs from what RETURNN wrote or loaded."""
    weights = tensorflow.read(case.folder / case.inputs["checkpoint"])
    if case.kind == "write":
        return [*_read(case, weights), *_written(case, weights), *_network(case)]
    try:
        found = _loaded(case, weights)
    except TenureError as error:
        return [] if "error" in case.expected else [f"refused: {error}"]
    if "error" in case.expected:
        return [f"RETURNN refuses it ({case.expected['error']['type']})"]
    before = case.inputs["variables_before"]
    unchanged = sorted(before.keys() - found.keys())
    problems = differences(_arrays(case.expected["variables"]), _arrays({**before, **found}), "variables")
    return [*problems, *differences(sorted(case.expected["unchanged"]), unchanged, "unchanged")]


def _loaded(case: Case, weights: Weights) -> dict[str, Any]:
    """The variables that get new values."""
    shapes = {name: np.shape(value) for name, value in case.inputs["variables_before"].items()}
    if case.kind == "preload":
        del shapes[STEP]
        return dict(preload(shapes, weights, Preload.of(case.inputs["preload_options"])))
    return dict(load(shapes, weights, path=weights.path, legacy=True))


def _read(case: Case, weights: Weights) -> list[str]:
    expected = case.expected
    return [
        *differences(expected["names_in_checkpoint"], sorted(weights), "names"),
        *differences(_arrays(expected["variables"]), dict(weights), "values"),
        *differences(expected["shapes"], {n: list(t.shape) for n, t in weights.tensors.items()}, "shapes"),
        *differences(expected["dtypes"], {n: str(t.dtype) for n, t in weights.tensors.items()}, "dtypes"),
    ]


def _written(case: Case, weights: Weights) -> list[str]:
    """The files that we write of the same values have the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model"
        tensorflow.write(copy, weights)
        return [
            f"{ending}: other bytes are written"
            for ending in (".index", ".data-00000-of-00001")
            if Path(f"{copy}{ending}").read_bytes() != Path(f"{os.fspath(weights.path)}{ending}").read_bytes()
        ]


def _network(case: Case) -> list[str]:
    """The network's parameters and states have the names and shapes of the variables in the file."""
    net = tn.network(case.inputs["network"], case.inputs["extern_data"], behavior_version=0)
    params, state = jax.eval_shape(net.init, jax.random.key(0))
    expected = {name: tuple(shape) for name, shape in case.expected["shapes"].items() if name != STEP}
    loops = [f"{n}/" for n, options in case.inputs["network"].items() if isinstance(options.get("unit"), dict)]
    owned, kept = (
        {name: leaf for name, leaf in _flat(tree).items() if name in expected or not name.startswith(tuple(loops))}
        for tree in (params, state)  # these files were written without the variables of loops
    )
    found = {name: leaf.shape for name, leaf in {**owned, **kept}.items()}
    return [
        *differences(expected, found, "network"),
        *differences(sorted(case.expected["trainable"]), sorted(owned), "trainable"),
    ]


def _flat(tree: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{module}/{name}": leaf for module, leaves in tree.items() for name, leaf in leaves.items()}


def _arrays(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {n: np.asarray(v, np.int64) if isinstance(v, int) else np.asarray(v) for n, v in values.items()}
