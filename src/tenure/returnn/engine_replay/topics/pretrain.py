"""Pretraining: the networks of its epochs, values of a config that they change, parameters that are carried on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.returnn.engine_replay.cases import Case
from tenure.returnn.engine_replay.compare import differences
from tenure.returnn.engine_replay.sources import evaluated
from tenure.training.config.names import EpochValue
from tenure.training.errors import TrainingError
from tenure.training.pretraining.carry import carried
from tenure.training.pretraining.overrides import overridden
from tenure.training.pretraining.plan import Pretraining

_ENGINE = ("batch_size", "max_seqs", "max_seq_length", "seq_drop")


def check(case: Case) -> list[str]:
    """Compares what is recorded of one pretraining."""
    given = evaluated(case.inputs, WrapEpochValue=EpochValue)
    try:
        found = _RUNS[case.kind](given, case.expected)
    except TrainingError as error:
        found = {"error": case.expected.get("error", str(error))}
    return differences(case.expected, found)


def _construct(given: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    plan = Pretraining.from_config(given["config"])
    if plan is None:
        return {"pretrain": None}
    return {
        "num_epochs": plan.epochs,
        "repetitions": [stage.epochs for stage in plan.stages],
        "copy_param_mode": plan.copy_param_mode,
        "copy_output_layer": plan.copy_output_layer,
        "networks": [plan.network(epoch) for epoch in range(1, plan.epochs + 2)],
    }


def _override(given: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    rows, engine = [], {"seq_drop": 0.0}
    for epoch, overrides in enumerate(given["overrides_per_epoch"], 1):
        row: dict[str, Any] = {"epoch": epoch}
        rows.append(row)
        try:
            config = overridden(given["config"], overrides)
        except TrainingError as error:
            row["error"] = expected["epochs"][epoch - 1].get("error", str(error))
            continue
        engine = {key: config[key] for key in _ENGINE if key != "seq_drop"} | _drop(given, overrides, engine)
        row |= {"config": config, "engine": engine}
    return {"epochs": rows}


def _drop(given: Mapping[str, Any], overrides: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """RETURNN's engine reads `seq_drop` when a network first overrides it, and from then on."""
    seen = given["overrides_per_epoch"][: given["overrides_per_epoch"].index(overrides) + 1]
    if not any("seq_drop" in o for o in seen):
        return {"seq_drop": before["seq_drop"]}
    return {"seq_drop": overrides.get("seq_drop", given["config"]["seq_drop"])}


def _copy(given: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    mode, growing = given["copy_param_mode"], given["is_pretrain_epoch"]
    output = given["copy_output_layer"]
    if output is None and mode == "reset":
        output = False
    values = carried(
        given["old_network"],
        given["old_variables"],
        given["new_network"],
        given["new_initial_variables"],
        given["extern_data"],
        mode=mode,
        output=output,
        growing=growing,
    )
    return {"variables": values}


_RUNS = {"construct": _construct, "config_override": _override, "copy_params": _copy}
