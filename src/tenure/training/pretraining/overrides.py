"""`#config` of a network: values of a config that hold while this network is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.core.errors import brief, nearest
from tenure.training.pretraining.construct import PretrainError

_NUMBERS = ("batch_size", "max_seqs", "max_seq_length", "min_seq_length", "seq_drop", "learning_rate")


def overridden(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A config with other values for some of its keys.

    Args:
      config: the typed values.
      overrides: of keys that the config has.

    Raises:
      PretrainError: the config does not have a key, or the new value is of the wrong kind.

    >>> overridden({"batch_size": 100, "x": 1}, {"batch_size": 5})
    {'batch_size': 5, 'x': 1}
    """
    for key, value in overrides.items():
        if key not in config:
            raise PretrainError(
                f"#config sets {key!r}, which the config does not have",
                near=nearest(key, config),
                ways=[f"set {key!r} in the config too"],
            )
        if key in _NUMBERS and not isinstance(value, int | float | Mapping | None):
            raise PretrainError(f"#config sets {key!r} to {brief(value)}, which is no number")
    return {**config, **overrides}
