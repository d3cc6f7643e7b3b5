"""Whole trainings, evaluations, forwarding and searches, from the config to the files that come out."""

from __future__ import annotations

import ast
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenure.core.errors import TenureError
from tenure.returnn.engine_replay.cases import Case
from tenure.returnn.engine_replay.compare import Tolerance, differences
from tenure.training.config import from_command_line
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models, read
from tenure.training.engine.settings import values
from tenure.training.rates.file import parse

FIRST, LATER, WEIGHTS = Tolerance(1e-3, 1e-5), Tolerance(5e-3, 1e-5), Tolerance(1e-2, 2e-3)


def check(case: Case) -> list[str]:
    """Runs the config in a copy of its folder, and compares what comes out."""
    with _copied(case) as folder:
        seen: list[dict[str, Any]] = []
        config = values(from_command_line(case.inputs["command_line"]))
        config.update(padding_legacy=True, reuse_legacy=True, reset_optimizer=True, report=False)
        changed = {int(e): v for e, v in (case.expected.get("values_at_epoch_start") or {}).items()}

        def watch(what: str, told: Mapping[str, Any]) -> None:
            if what == "step":
                seen.append(_step(told))
            elif (
                what == "epoch" and told["epoch"] in changed
            ):  # what is new in a network that has grown is random in RETURNN
                told["training"].fill(changed[told["epoch"]])

        try:
            tasks.run(config, Log(0), watch)
        except TenureError as error:
            return [f"refused: {error}"]
        if "epochs" in case.expected:
            return _trained(case, config, folder, seen)
        return _written(case, folder)


@contextlib.contextmanager
def _copied(case: Case) -> Iterator[Path]:
    source = case.folder / case.inputs["working_dir"]
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        shutil.copytree(source, folder, copy_function=shutil.copyfile)
        folder.chmod(0o755)
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        if case.kind == "train":
            shutil.rmtree(folder / "net", ignore_errors=True)
            (folder / "newbob.data").unlink(missing_ok=True)
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


def _step(told: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {f"max_size:{key}": size for key, size in told["sizes"].items()}
    found = {**told["costs"], **sizes, "num_seqs": len(told["batch"].tags)}
    return {**{k: told[k] for k in ("epoch", "dataset", "step")}, "values": found}


def _trained(case: Case, config: Mapping[str, Any], folder: Path, seen: list[dict[str, Any]]) -> list[str]:
    expected = case.expected
    found = parse((folder / config["learning_rate_file"]).read_text(), "learning rates")
    problems = []
    for epoch, wanted in expected["epochs"].items():
        tolerance = FIRST if epoch == 1 else LATER
        scores = {k: float(v) for k, v in found[epoch].scores.items() if not k.startswith(":")}
        problems += differences(
            wanted["learning_rate"], found[epoch].learning_rate, f"epoch {epoch} rate", Tolerance(1e-6)
        )
        problems += differences(dict(wanted["error"]), scores, f"epoch {epoch}", tolerance)
        meta = {k.removeprefix(":meta:"): float(v) for k, v in found[epoch].scores.items() if k.startswith(":")}
        meta.pop("epoch_train_time_secs", None)
        problems += differences(dict(wanted["meta"]), meta, f"epoch {epoch} meta", Tolerance(1e-6))
    mine = {(s["dataset"], s["epoch"], s["step"]): s["values"] for s in seen}
    for step in expected.get("steps", ()):
        place = (step["dataset"], step["epoch"], step["step"])
        wanted = {k: v for k, v in step["values"].items() if k.startswith(("max_size", "num_seqs"))}
        got = {k: v for k, v in mine.get(place, {}).items() if k in wanted}
        problems += differences(wanted, got, f"step {place}")
    models = Models(folder / config["model"]).existing()
    problems += differences(
        sorted(expected["checkpoints_kept"]), sorted(p.name for p in models.values()), "checkpoints"
    )
    for path in models.values():
        wanted = expected["checkpoint_values"].get(path.name, {})
        arrays = {name: np.asarray(value) for name, value in read(path).items()}
        problems += differences(
            {n: np.asarray(v) for n, v in wanted.items()}, arrays if wanted else {}, path.name, WEIGHTS
        )
    return problems


def _written(case: Case, folder: Path) -> list[str]:
    expected, path = case.expected, folder / case.expected["output_file"]
    if "hdf" in expected:
        return _hdf(expected["hdf"], path)
    text, wanted = path.read_text(), expected["text"]
    if wanted.startswith("{"):
        return differences(_literal(wanted), _literal(text), path.name, Tolerance(1e-3, 1e-5))
    return differences(_words(wanted), _words(text), path.name, Tolerance(1e-3, 1e-5))


def _literal(text: str) -> Any:
    return ast.literal_eval(text.replace("np.float32(", "("))


def _words(text: str) -> list[Any]:
    return [_number(word) for line in text.splitlines() for word in line.replace(";", " ; ").split()]


def _number(word: str) -> Any:
    try:
        return float(word)
    except ValueError:
        return word


def _hdf(expected: Mapping[str, Any], path: Path) -> list[str]:
    import h5py

    with h5py.File(path) as file:
        found = {
            "inputs": file["inputs"][()],
            "seqLengths": file["seqLengths"][()],
            "seqTags": [tag.decode() for tag in file["seqTags"][()]],
            "attrs": {k: int(v) for k, v in file.attrs.items()},
            "keys": sorted(file),
        }
    return differences(dict(expected), found, path.name, Tolerance(1e-3, 1e-5))
