"""The learning-rate file of a training that is there already."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from tenure.checkpoints.opened import Opened
from tenure.core.errors import TenureError, nearest
from tenure.training.errors import LearningRateError
from tenure.training.rates.file import parse
from tenure.training.rates.scores import EpochScores

_LARGEST = 64 << 20  # bytes of a learning-rate file
_MARK = b"EpochData("


def epochs_in(path: Path) -> Mapping[int, EpochScores]:
    """What is known of the epochs of a training.

    Args:
      path: its learning-rate file; a folder with one, or with scores.json; or a folder with checkpoints, of which the newest holds a
        copy.

    Raises:
      LearningRateError: there is none, there are several, or it cannot be read.
    """
    if path.is_file():
        return parse(_text(path), str(path))
    if not path.is_dir():
        others = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise LearningRateError(f"'{path}' is not there", near=nearest(path.name, others))
    files = list(_files(path))
    if len(files) > 1:
        raise LearningRateError(
            f"'{path}' has {len(files)} learning-rate files", ways=[f"tenure scores {file}" for file in files]
        )
    if files:
        return parse(_text(files[0]), str(files[0]))
    if written := _written(path / "scores.json"):
        return written
    kept = max(_kept(path), default=None)
    if kept is None:
        raise LearningRateError(
            f"'{path}' has no learning-rate file and no checkpoint of a training",
            ways=["name the file that the config's learning_rate_file says", "tenure scores . in the config's folder"],
        )
    return parse(kept[2], kept[1])


def _written(path: Path) -> dict[int, EpochScores]:
    """The epochs of a scores.json, which knows more than the copy in a checkpoint; none if it cannot be read."""
    try:
        if path.stat().st_size > _LARGEST:
            return {}
        found = json.loads(path.read_text(encoding="utf-8"))["epochs"]
        return {
            int(epoch): EpochScores(
                of["learning_rate"], {k: math.nan if v is None else v for k, v in of["scores"].items()}
            )
            for epoch, of in found.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, LearningRateError):
        return {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LearningRateError(f"'{path}' cannot be read: {error}") from None


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder that look like learning-rate files."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file() or path.stat().st_size > _LARGEST:
            continue
        with path.open("rb") as file:
            start = file.read(256)
        if start.lstrip().startswith(b"{") and _MARK in start:
            yield path


def _kept(folder: Path) -> Iterator[tuple[int, str, str]]:
    """(epoch, path, text) of the checkpoints of a training in a folder."""
    for path in folder.iterdir():
        if path.name.startswith(".") or not path.is_dir() or path.is_symlink():
            continue
        try:
            told = Opened(path).body["metadata"]
        except (TenureError, OSError):
            continue  # no checkpoint
        if isinstance(told, Mapping) and isinstance(told.get("rates"), str):
            yield int(told.get("epoch") or 0), str(path), told["rates"]
