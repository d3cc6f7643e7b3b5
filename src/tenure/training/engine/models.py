"""The files of a training: a checkpoint for each epoch, ours or RETURNN's, and one inside an epoch."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenure.checkpoints import folder, manifest
from tenure.checkpoints.opened import Opened
from tenure.convert import tensorflow
from tenure.core.errors import brief
from tenure.training.errors import ConfigError

UNFINISHED = "unfinished"
_CLEANUP: dict[str, tuple[Any, str]] = {  # what the options of `cleanup_old_models` take, with an example
    "keep_last_n": (int, "2"),
    "keep_best_n": (int, "4"),
    "keep": ((list, tuple, set, range, Callable, type(None)), "[10, 20]"),
    "ignore_score_keys": ((list, tuple, set, type(None)), '["dev_error"]'),
}
_WRITING = ("train", "initialize_model", "cleanup_old_models")


@dataclass(frozen=True)
class Models:
    """The checkpoints under one prefix: "net/model" has "net/model.001", "net/model.pretrain.001", …

    Attributes:
      prefix: the key `model`; where a config has none, what the checkpoint that it loads has before its epoch.
    """

    prefix: Path

    @staticmethod
    def of(config: Mapping[str, Any]) -> Models:
        """The checkpoints that a config names: by `model`, or by `load` for tasks that only read a checkpoint.

        Raises:
          ConfigError: the config has no `model`, which its task needs.
        """
        if config.get("model"):
            return Models(Path(config["model"]))
        if not config.get("load") or (config.get("task") or "train") in _WRITING:
            raise ConfigError("'model' says where checkpoints go, and is not set", ways=["model = 'net/model'"])
        return Models(Path(re.sub(r"(\.pretrain)?\.\d+(\.index)?$", "", str(Path(config["load"])))))

    def path(self, epoch: int, pretraining: bool = False) -> Path:
        """The name of an epoch's checkpoint."""
        return self.prefix.with_name(f"{self.prefix.name}{'.pretrain' if pretraining else ''}.{epoch:03}")

    @property
    def unfinished(self) -> Path:
        """The checkpoint inside an epoch."""
        return self.prefix.with_name(f"{self.prefix.name}.{UNFINISHED}")

    def existing(self) -> dict[int, Path]:
        """All checkpoints of whole epochs, by epoch."""
        pattern = re.compile(re.escape(self.prefix.name) + r"(?:\.pretrain)?\.(\d{3,})(?:\.index)?")
        found: dict[int, Path] = {}
        for path in sorted(self.prefix.parent.glob(f"{self.prefix.name}.*")):
            match = pattern.fullmatch(path.name)
            if match and not path.is_symlink() and (path.is_file() if path.name.endswith(".index") else is_ours(path)):
                found[int(match[1])] = path.with_name(path.name.removesuffix(".index"))
        return dict(sorted(found.items()))

    def remove(self, path: Path) -> None:
        """Removes one checkpoint that `existing` has given: the files that it names, and the folder if nothing else is in it."""
        if path.is_dir():
            folder.remove_own(path)
        for ending in (".index", ".data-00000-of-00001", ".meta"):
            path.with_name(path.name + ending).unlink(missing_ok=True)


def epoch_of(path: Path) -> int | None:
    """The epoch in the name of a checkpoint, or of the one that a link leads to; None without one.

    >>> epoch_of(Path("net/model.pretrain.012")), epoch_of(Path("net/best"))
    (12, None)
    """
    links = (file for ending in ("", ".index", ".meta") if (file := Path(f"{path}{ending}")).is_symlink())
    match = re.match(r".*\.(\d+)", next((link.resolve() for link in links), path).name)
    return int(match[1]) if match else None


def metadata(path: Path) -> Mapping[str, Any]:
    """What was saved beside the arrays of one of our checkpoints."""
    return Opened(path).body["metadata"] or {}


def is_ours(path: Path) -> bool:
    """Whether a checkpoint is a folder that `tn.save` wrote."""
    return (path / manifest.NAME).is_file()


def read(path: Any) -> Mapping[str, Any]:
    """The values of a checkpoint by RETURNN's names: one of RETURNN, or one of ours.

    Raises:
      ConfigError: there is none.
    """
    path = Path(path)
    if is_ours(path):
        opened = Opened(path)
        found = {name: leaf.read() for group in ("params", "state") for name, leaf in opened.leaves(group).items()}
        return {**found, "global_step": opened.body["step"] or 0}
    prefix = Path(str(path).removesuffix(".index"))
    if not Path(f"{prefix}.index").exists():
        raise ConfigError(
            f"there is no checkpoint {brief(str(path))}", ways=["a folder of tenure's", "NAME of NAME.index"]
        )
    return tensorflow.read(prefix)


def to_keep(existing: Collection[int], option: Any, scores: Mapping[int, Mapping[str, Any]]) -> set[int]:
    """The epochs whose checkpoints `cleanup_old_models` keeps: the last ones, the best ones by each score, and some in between, as in
    RETURNN. While there are no more than one of these alone asks for, all are kept.

    Args:
      existing: the epochs that have checkpoints.
      option: True, or a dictionary.
      scores: epoch → name → value.

    Raises:
      ConfigError: it has another option, or one with a value that it does not take.

    >>> dev = {epoch: {"dev_score": score} for epoch, score in enumerate([3, 1, 2, 4], 1)}
    >>> sorted(to_keep(dev, {"keep_last_n": 1, "keep_best_n": 2, "keep": []}, dev))
    [2, 3, 4]
    """
    given = dict(option) if isinstance(option, Mapping) else {}
    for key, value in given.items():
        if key not in _CLEANUP:
            raise ConfigError(f"cleanup_old_models has no option {key!r}", ways=[", ".join(_CLEANUP)])
        kinds, example = _CLEANUP[key]
        if not isinstance(value, kinds):
            raise ConfigError(f"{key} of cleanup_old_models is {brief(value)}", ways=[f'{{"{key}": {example}}}'])
    epochs, keep, ignored = sorted(existing), given.get("keep"), given.get("ignore_score_keys") or ()
    newest, best = max(given.get("keep_last_n", 2), 1), given.get("keep_best_n", 4)
    if max(newest, best) >= len(epochs):
        return set(epochs)
    if callable(keep):
        always = {epoch for epoch in epochs if keep(epoch)}
    else:
        always = _in_between(epochs[-1]) if keep is None else set(keep)
    kept = {e: {k: v for k, v in of.items() if k not in ignored} for e, of in scores.items()}
    return (always | set(epochs[-newest:]) | _best(epochs, best, kept)) & set(epochs)


def _in_between(last: int) -> set[int]:
    """The epochs that are kept where nothing says which: multiples of one number, and doublings of another."""
    if last <= 100:
        every, doubled = (4, 5) if last <= 10 else (20, 5) if last <= 50 else (40, 10)
    else:
        every, doubled = 80 * 2 ** (last // 240).bit_length(), 20
    return {*range(every, last + 1, every), *(doubled * 2**i for i in range(last.bit_length()))}


def _best(epochs: Sequence[int], count: int, scores: Mapping[int, Mapping[str, Any]]) -> set[int]:
    """The best epochs of every score: of those with checkpoints, the earlier of equal ones; one without the score counts as the worst."""
    found: set[int] = set()
    for key in {key for of in scores.values() for key in of if not key.startswith(":")}:
        known = {epoch: float(scores[epoch][key]) for epoch in epochs if key in scores.get(epoch, {})}
        if len(set(known.values())) > 1:
            ranked = sorted((known.get(epoch, max(known.values())), epoch) for epoch in epochs)
            found.update(epoch for _, epoch in ranked[:count])
    return found
