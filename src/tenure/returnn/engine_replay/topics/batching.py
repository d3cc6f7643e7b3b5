"""Batches: which sequences, which frames, in which rows; their padded arrays; and a config's options of data sets."""

from __future__ import annotations

from typing import Any

from tenure.returnn.engine_replay.cases import Case
from tenure.returnn.engine_replay.compare import differences
from tenure.training.batching.arrays import Padded, padded
from tenure.training.batching.chunking import Chunking
from tenure.training.batching.context import Context
from tenure.training.batching.frames import Frames
from tenure.training.batching.plan import Batch, Batching
from tenure.training.data.defaults import evaluation_options, training_options
from tenure.training.data.order import Order
from tenure.training.data.static import StaticDataset
from tenure.training.errors import TrainingError


def check(case: Case) -> list[str]:
    """Compares batches, or the refusal, or the options that a config gives."""
    if "config" in case.inputs:
        config = case.inputs["config"]
        return differences(case.expected, {"train": training_options(config), "dev": evaluation_options(config)})
    found: dict[str, Any]
    try:
        found = {"batches": _filled(case) if case.kind == "arrays" else _planned(case)}
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


def _filled(case: Case) -> list[dict[str, Any]]:
    given = case.inputs
    options = dict(given["dataset"])
    data = StaticDataset(options["data"], order=Order(options.get("seq_ordering", "default")))
    epoch = data.epoch(given["epoch"])
    batch_options = dict(given["batch_options"])
    batches = Batching(recurrent=batch_options.pop("recurrent_net", True), **batch_options).batches(
        [epoch.lengths(i) for i in range(len(epoch))],
        Chunking.parse(options.get("chunking")),
        Context.parse(options.get("context_window")),
        data.order.seed(given["epoch"]),
    )
    keys, least = list(given["extern_data"]), int(given["enforce_min_len1"])
    return [_arrays(padded(b, lambda i: (epoch[i].tag, epoch[i].data), keys, at_least=least)) for b in batches]


def _arrays(found: Padded) -> dict[str, Any]:
    lengths = {f"{key}_seq_lens": value for key, value in found.lengths.items()}
    told = {"seq_idx": list(found.indices), "seq_tag": list(found.tags), "batch_dim": len(found.tags)}
    return {**found.arrays, **lengths, **told}


def _recorded(batch: Batch) -> dict[str, Any]:
    return {
        "num_slices": batch.rows,
        "max_num_frames_per_slice": _numbers(batch.frames),
        "seqs": [[p.index, _numbers(p.start), _numbers(p.end), p.row, _numbers(p.offset)] for p in batch.pieces],
    }


def _numbers(frames: Frames) -> dict[str, Any]:
    return {**frames.of, **({} if frames.rest is None else {"*": frames.rest})}
