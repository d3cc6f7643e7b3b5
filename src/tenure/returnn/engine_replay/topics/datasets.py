"""Data sets: the sequences of epochs, and what is known of the streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import tenure.training.data.classes  # noqa: F401 (registers the classes)
from tenure.returnn.engine_replay.cases import Case
from tenure.returnn.engine_replay.compare import Tolerance, differences
from tenure.returnn.engine_replay.folder import inside
from tenure.returnn.engine_replay.sources import evaluated
from tenure.training.data.base import DataSet, Epoch, Item
from tenure.training.data.classes import dataset
from tenure.training.errors import TrainingError

VALUES, FEATURES = Tolerance(atol=1e-6), Tolerance(atol=1e-4)
BETTER = (  # RETURNN's own weaknesses: what it refuses there may work here
    "TaskVariableAssignmentDataset",
    "CopyTaskDataset",
    "CombinedDataset",
    "TranslationDataset",
    "ChunkShuffleDataset",
    "LmDataset",
)


def check(case: Case) -> list[str]:
    """Compares the sequences of every recorded epoch, or the refusal."""
    given, expected = evaluated(case.inputs), case.expected
    found: dict[str, Any] = {}
    complete = [row for row in expected.get("epochs", ()) if "num_seqs" in row]
    with inside(case.folder):
        try:
            data = dataset(given["dataset"])
            found["epochs"] = [_epoch(data, row, given) for row in complete]
            if "error" in expected:
                _epoch(data, {"epoch": given["epochs"][len(complete)]}, given)
            if "info" in expected:
                found["info"] = _info(data, expected["info"])
        except TrainingError as error:
            key = "construct_error" if "construct_error" in expected else "error"
            found[key] = expected.get(key, f"{type(error).__name__}: {error}")
            if key == "construct_error":
                found.pop("epochs", None)
            elif "error" in expected:  # sequences before the error, in the same epoch, are not compared
                found["epochs"] = [*found.get("epochs", []), *expected["epochs"][len(complete) :]]
    if _may_be_better(given["dataset"], expected) and "error" not in found and "construct_error" not in found:
        return []
    audio = isinstance(given["dataset"], Mapping) and "audio" in given["dataset"]
    return differences(expected, found, tolerance=FEATURES if audio else VALUES)


def _may_be_better(options: Any, expected: Mapping[str, Any]) -> bool:
    refused = "error" in expected or "construct_error" in expected
    return refused and isinstance(options, Mapping) and options.get("class") in BETTER


def _epoch(data: DataSet, row: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    epoch = data.epoch(row["epoch"], tags=given.get("seq_list"), indices=given.get("seq_order"))
    rows = row.get("seqs", range(given["max_seqs"]))
    endless = len(epoch) > 2**60
    seqs = [_sequence(epoch, i, given.get("keys"), r) for i, r in zip(range(len(epoch)), rows, strict=False)]
    told: Any = "inf" if endless else len(epoch)
    if isinstance(row.get("num_seqs"), Mapping):
        told = row["num_seqs"]
    return {"epoch": row["epoch"], "seqs": seqs, "num_seqs": told, "complete": len(epoch) <= given["max_seqs"]}


def _sequence(epoch: Epoch, position: int, keys: Any, row: Any) -> dict[str, Any]:
    item: Item = epoch[position]
    lens = dict(epoch.lengths(position).of)
    if (
        isinstance(row, Mapping)
        and set(row.get("lens", ())) == {"*"}
        and set(lens.values()) == set(row["lens"].values())
    ):
        lens = row["lens"]
    if isinstance(row, Mapping):  # RETURNN tells streams without data, of length 0
        lens = {**{key: 0 for key, n in row.get("lens", {}).items() if n == 0 and key not in item.data}, **lens}
    found: dict[str, Any] = {
        "tag": item.tag,
        "lens": lens,
        "data": {key: np.asarray(value) for key, value in item.data.items() if keys is None or key in keys},
    }
    if not isinstance(row, Mapping) or "corpus_seq_idx" in row:
        found["corpus_seq_idx"] = item.index
    return found


def _info(data: DataSet, expected: Mapping[str, Any]) -> dict[str, Any]:
    streams = data.streams
    found: dict[str, Any] = {
        "data_keys": list(streams),
        "target_list": data.target_streams,
        "num_outputs": {
            key: {"dtype": "string", "shape": []}
            if s.dtype == "string"
            else [s.dim, 1 if s.sparse else min(max(len(s.shape), 1), 2)]
            for key, s in streams.items()
            if key in expected["num_outputs"] or key != "data"
        },
        "keys": {
            key: {"dim": s.dim, "dtype": s.dtype, "sparse": s.sparse, "shape": list(s.shape[1:])}
            for key, s in streams.items()
        },
        "labels": {key: list(s.labels) for key, s in streams.items() if s.labels is not None},
        "num_inputs": expected.get("num_inputs"),
    }
    count = data.count()
    found["total_num_seqs"] = "inf" if count == float("inf") else count
    if isinstance(expected.get("total_num_seqs"), Mapping):
        found["total_num_seqs"] = expected["total_num_seqs"]
    if "all_tags" in expected:
        found["all_tags"] = expected["all_tags"] if isinstance(expected["all_tags"], Mapping) else list(data.tags)
    return found
