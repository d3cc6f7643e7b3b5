"""A config's values as the engine takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.training.config.config import Config
from tenure.training.config.kinds import plain, read
from tenure.training.data.defaults import evaluation_options, training_options


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
    found = {name: config[name] for name in ("dev", "eval") if config.get(name)}
    return {**found, **(config.get("eval_datasets") or {})}


def named(config: Mapping[str, Any], name: Any) -> Any:
    """A data set that an option names: "config:key", "dev", or its options themselves."""
    if isinstance(name, str):
        key = name.removeprefix("config:")
        if key in config and (name.startswith("config:") or not name.lstrip().startswith("{")):
            return config[key]
    return name


__all__ = ["evaluation_options", "evaluation_sets", "named", "training_options", "values"]
