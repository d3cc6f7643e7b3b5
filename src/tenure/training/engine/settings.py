"""A config's values as the engine takes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenure.core.errors import brief
from tenure.training.config.config import Config
from tenure.training.config.kinds import plain, read
from tenure.training.data.defaults import evaluation_options, training_options
from tenure.training.engine.models import epoch_of
from tenure.training.errors import ConfigError


def values(config: Config) -> dict[str, Any]:
    """Key → value; what was given as text is read as a literal where it is one.

    >>> values(Config({"a": 1}, {"b": ["2"], "task": ["train"], "c": ["x", "y"]}))
    {'b': 2, 'task': 'train', 'c': ['x', 'y'], 'a': 1}
    """
    texts = {key: [read(key, t) for t in found] for key, found in config.texts.items()}
    typed = {key: plain(key, value) for key, value in config.typed.items()}
    return {**{k: v[0] if len(v) == 1 else v for k, v in texts.items()}, **typed}


def evaluation_sets(config: Mapping[str, Any]) -> dict[str, Any]:
    """The data sets that are evaluated after each epoch, by name."""
    found = {name: evaluation_set(config, name) for name in ("dev", "eval") if config.get(name)}
    return {**found, **(config.get("eval_datasets") or {})}


def evaluation_set(config: Mapping[str, Any], name: str) -> Any:
    """The options of the data set `dev` or `eval`. Where it is a reference, the options of evaluation count more than its own, as in RETURNN.

    >>> evaluation_set({"eval": "config:train", "train": {"class": "HDFDataset", "seq_ordering": "random"}}, "eval")
    {'class': 'HDFDataset', 'seq_ordering': 'sorted', 'chunking': '0', 'shuffle_frames_of_nseqs': 0}
    """
    given, options = config.get(name), named(config, config.get(name))
    if options is given or not isinstance(options, Mapping):
        return options
    own = {
        k: v
        for k, v in evaluation_options(config).items()
        if k in ("chunking", "seq_ordering", "shuffle_frames_of_nseqs")
    }
    return {**options, **own}


def start_epoch(config: Mapping[str, Any]) -> int | None:
    """The epoch that a training is to start with; None for the one after its newest checkpoint.

    Raises:
      ConfigError: `start_epoch` is none, or `load_epoch` names another checkpoint.

    >>> start_epoch({"start_epoch": "auto"}), start_epoch({"start_epoch": 3})
    (None, 3)
    """
    given = config.get("start_epoch")
    if given in (None, "auto"):
        return None
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise ConfigError(f"start_epoch is {brief(given)}", ways=["'auto'", "the number of an epoch, from 1 on"])
    loaded = config.get("load_epoch")
    if given > 1 and loaded and int(loaded) != given - 1:
        raise ConfigError(
            f"start_epoch is {given}, which starts from the checkpoint of epoch {given - 1}, and load_epoch is {loaded}",
            ways=["remove load_epoch", "import_model_train_epoch1 = 'file' starts a new training from a checkpoint"],
        )
    return given


def epoch_to_go_on_from(config: Mapping[str, Any]) -> int:
    """The epoch of the checkpoint `load` of a training that has none of its own: `load_epoch`, or what the file's name says; 0 if
    nothing says it, or if `import_model_train_epoch1` counts.

    >>> epoch_to_go_on_from({"load": "other/model.003"}), epoch_to_go_on_from({"load": "init/model"})
    (3, 0)
    """
    if not config.get("load") or config.get("import_model_train_epoch1"):
        return 0
    return int(config.get("load_epoch") or 0) or epoch_of(Path(config["load"])) or 0


def named(config: Mapping[str, Any], name: Any) -> Any:
    """A data set that an option names: "config:key", "dev", or its options themselves."""
    if isinstance(name, str):
        key = name.removeprefix("config:")
        if key in config and (name.startswith("config:") or not name.lstrip().startswith("{")):
            return config[key]
    return name


__all__ = [
    "epoch_to_go_on_from",
    "evaluation_options",
    "evaluation_set",
    "evaluation_sets",
    "named",
    "start_epoch",
    "training_options",
    "values",
]
