"""Orders of sequences, epoch by epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenure.returnn.engine_replay.cases import Case, Source
from tenure.returnn.engine_replay.compare import differences
from tenure.returnn.engine_replay.sources import evaluate
from tenure.training.data.order import Order
from tenure.training.errors import TrainingError

_OPTIONS = {
    "seq_ordering": "method",
    "unique_seq_tags": "unique_tags",
    "seq_list_filter": "tags",
    "_num_shards": "shards",
    "_shard_index": "shard",
}


def check(case: Case) -> list[str]:
    """Compares the order, or the refusal, and the seed of every recorded epoch."""
    given = case.inputs
    order = Order(**{_OPTIONS.get(k, k): _value(k, v) for k, v in given["options"].items()})
    lengths, tags = given["seq_lens"], given.get("tags")
    problems = []
    for row in case.expected["epochs"]:
        found: dict[str, Any] = {"epoch": row["epoch"], "seed": order.seed(row["epoch"])}
        try:
            found["order"] = order.indices(
                row["epoch"],
                given["num_seqs"],
                None if lengths is None else lambda: np.asarray(lengths),
                None if tags is None else lambda: tags,
            ).tolist()
        except TrainingError as error:
            found["error"] = row.get("error", str(error))
        problems += differences(row, found, f"epoch {row['epoch']}")
    return problems


def _value(key: str, value: Any) -> Any:
    if key == "seq_list_filter":
        return frozenset(value)
    return evaluate(value) if isinstance(value, Source) else value
