"""Batches: which sequences, which frames, in which rows; their padded arrays; and a config's options of data sets."""

from __future__ import annotations

from typing import Any

from tenure.returnn.engine_replay.cases import Case
from tenure.returnn.engine_replay.compare import differences
from tenure.training.batching.chunking import Chunking
from tenure.training.batching.context import Context
from tenure.training.batching.frames import Frames
from tenure.training.batching.plan import Batch, Batching
from tenure.training.data.order import Order
from tenure.training.errors import TrainingError


def check(case: Case) -> list[str]:
    """Compares batches, or the refusal."""
    found: dict[str, Any]
    try:
        found = {"batches": _planned(case)}
    except TrainingError as error:
        found = {"error": case.expected.get("error", str(error))}
    return differences(case.expected, found)


def _planned(case: Case) -> list[dict[str, Any]]:
    given = case.inputs
    data, options = given["dataset_options"], dict(given["batch_options"])
    order = Order(
        data.get("seq_ordering", "default"),
        fixed_random_seed=data.get("fixed_random_seed"),
        random_seed_offset=data.get("random_seed_offset", 0),
    )
    keys = options.pop("used_data_keys", None)
    limits = Batching(
        recurrent=options.pop("recurrent_net", True), keys=None if keys is None else tuple(keys), **options
    )
    batches = limits.batches(
        [Frames(lengths) for lengths in given["seq_lens"]],
        Chunking.parse(data.get("chunking"), data.get("min_chunk_size", 0), data.get("chunking_variance", 0)),
        Context.parse(data.get("context_window")),
        order.seed(given["epoch"]),
    )
    return [_recorded(batch) for batch in batches]


def _recorded(batch: Batch) -> dict[str, Any]:
    return {
        "num_slices": batch.rows,
        "max_num_frames_per_slice": _numbers(batch.frames),
        "seqs": [[p.index, _numbers(p.start), _numbers(p.end), p.row, _numbers(p.offset)] for p in batch.pieces],
    }


def _numbers(frames: Frames) -> dict[str, Any]:
    return {**frames.of, **({} if frames.rest is None else {"*": frames.rest})}
