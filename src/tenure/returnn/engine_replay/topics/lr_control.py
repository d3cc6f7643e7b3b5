"""Learning-rate control: rates, the scores looked at, files byte for byte, the way back to the best epoch."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.returnn.engine_replay.cases import Case
from tenure.returnn.engine_replay.compare import Tolerance, differences
from tenure.returnn.engine_replay.sources import evaluated
from tenure.training.errors import TrainingError
from tenure.training.pretraining import Pretraining
from tenure.training.rates.control import LearningRates
from tenure.training.rates.dynamic import dynamic
from tenure.training.rates.epochs import epoch_to_go_back_to, rate_of_epoch
from tenure.training.rates.file import parse
from tenure.training.rates.scores import META

CLOSE = Tolerance(rtol=1e-12)


def check(case: Case) -> list[str]:
    """Compares what is recorded of one control."""
    found: dict[str, Any] = {}
    try:
        _RUNS[case.kind](evaluated(case.inputs), case.expected, found)
    except TrainingError as error:
        found["error"] = case.expected.get("error", str(error))
    return differences(case.expected, found, tolerance=CLOSE)


def _schedule(given: Mapping[str, Any], expected: Mapping[str, Any], found: dict[str, Any]) -> None:
    found["epochs"] = []
    rates = LearningRates.from_config(given["config"])
    _run(rates, given, expected, found)


def _run(rates: LearningRates, given: Mapping[str, Any], expected: Mapping[str, Any], found: dict[str, Any]) -> None:
    for epoch, updates in enumerate(given["errors"], 1):
        rate = rates.rate(epoch)
        for scores in updates:
            rates.record(epoch, scores)
        key, value = rates.error(epoch)
        found["epochs"].append({"epoch": epoch, "learning_rate": rate, "error_key": key, "error_value": value})
    if "file" in expected:
        found["file"] = rates.render()
    further = range(len(given["errors"]) + 1, len(expected["epochs"]) + ("error" in expected) + 1)
    for epoch in further:
        found["epochs"].append({"epoch": epoch, "learning_rate": rates.rate(epoch)})


def _file(given: Mapping[str, Any], expected: Mapping[str, Any], found: dict[str, Any]) -> None:
    found["epochs"] = []
    rates = LearningRates.from_config(given["config"])
    _run(rates, given, expected, found)
    if "after_reload" not in expected:
        return
    again = _read(given["config"], expected["file"])
    found["after_reload"] = [
        {"epoch": row["epoch"], "learning_rate": again.rate(row["epoch"])} for row in expected["after_reload"]
    ]


def _read(config: Mapping[str, Any], text: str) -> LearningRates:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rates")
        path.write_text(text)
        return LearningRates.from_config(config, path)


def _read_file(given: Mapping[str, Any], expected: Mapping[str, Any], found: dict[str, Any]) -> None:
    rates = _read(given["config"], given["file"])
    found["epoch_data"] = {epoch: _told(scores) for epoch, scores in rates.epochs.items()}
    parse(given["file"])
    rows: list[dict[str, Any]] = []
    if "epochs" in expected:
        found["epochs"] = rows
    last = len(expected["epochs"]) if "epochs" in expected else max(rates.epochs, default=0)
    for epoch in range(1, last + 1 + ("error" in expected)):
        rate, (key, value) = rates.rate(epoch), rates.error(epoch)
        rows.append({"epoch": epoch, "learning_rate": rate, "error_key": key, "error_value": value})
    found["last_best"] = [rates.last_best(row["epoch"]) for row in rows]
    found["file_resaved"] = rates.render()


def _told(scores: Any) -> dict[str, Any]:
    meta = {key.removeprefix(META): value for key, value in scores.scores.items() if key.startswith(META)}
    return {"learning_rate": scores.learning_rate, "error": scores.measured(), "meta": meta}


def _last_best(given: Mapping[str, Any], expected: Mapping[str, Any], found: dict[str, Any]) -> None:
    rates = LearningRates.from_config({})
    best = []
    for epoch, updates in enumerate(given["errors"], 1):
        for scores in updates:
            rates.record(epoch, scores)
        best.append(rates.last_best(epoch, **given["options"]))
    found["last_best_epoch_for_last_epoch"] = best


def _dynamic(given: Mapping[str, Any], expected: Mapping[str, Any], found: dict[str, Any]) -> None:
    config = given["config"]
    rate, change = np.float32(config["learning_rate"]), dynamic(config["dynamic_learning_rate"])
    key = "learning_rate_for_global_train_step"
    found[key] = [float(np.float32(change(rate, np.int64(step)))) for step in range(len(expected[key]))]


def _engine(given: Mapping[str, Any], expected: Mapping[str, Any], found: dict[str, Any]) -> None:
    config = given["config"]
    rates, plan = LearningRates.from_config(config), Pretraining.from_config(config)
    found["epochs"] = []
    for epoch in range(1, len(expected["epochs"]) + 1):
        overrides = plan.network(epoch).get("#config", {}) if plan and epoch <= plan.epochs else {}
        loaded = epoch_to_go_back_to(epoch, rates, config, plan)
        rate = rate_of_epoch(epoch, rates, config, plan, overrides)
        row = {"epoch": epoch, "learning_rate": rate, "is_pretrain": plan is not None and epoch <= plan.epochs}
        found["epochs"].append(row | ({} if loaded is None else {"model_loaded_from_epoch": loaded}))
        for scores in given["errors"][epoch - 1] if epoch <= len(given["errors"]) else ():
            rates.record(epoch, scores)


_RUNS = {
    "engine": _engine,
    "schedule": _schedule,
    "error_key": _schedule,
    "file": _file,
    "read_file": _read_file,
    "last_best": _last_best,
    "dynamic_learning_rate": _dynamic,
}
